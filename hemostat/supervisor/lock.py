"""Allows one supervisor for each state directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hemostat.errors import UsageError
from hemostat.private_files import make_directory, open_file


@contextmanager
def hold_lock(state_dir: Path) -> Iterator[None]:
    """Lock the state directory. The lock ends with the process, however the process ends."""
    path = state_dir / "all.lock"
    try:
        make_directory(state_dir)
        file = os.fdopen(open_file(path), "a+")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"the state directory {state_dir} cannot be used ({reason})", hint="set state_dir"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UsageError(
                f"hemostat all is already running on {state_dir}, as process {holder}",
                hint="stop it, or set another state_dir",
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
