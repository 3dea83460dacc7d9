"""The text files that people hand in: configuration, passwords, recorded incidents."""

import stat
from pathlib import Path
from typing import Final

from hemostat.core.text import decode_text
from hemostat.errors import ConfigError

MAX_BYTES: Final = 16 * 1024 * 1024


def read_text_file(path: Path, what: str = "") -> str:
    """The text of the file, its lines ended by a line feed. `what` names the setting, if the path is one's.
    Raises ConfigError for what cannot be read, is no file, or is not UTF-8."""
    name = f"{what}: {path}" if what else str(path)
    try:
        return decode_text(_read(path)).replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{name} {error}") from None


def read_secret_file(path: Path, what: str) -> str | None:
    """The first line, without what an editor put around it; None where it is empty."""
    return read_text_file(path, what).partition("\n")[0].strip() or None


def _read(path: Path) -> bytes:
    """At most MAX_BYTES. A named pipe is not opened: that would wait for somebody to write."""
    mode = path.stat().st_mode
    for is_kind, kind in _REFUSED:
        if is_kind(mode):
            raise ValueError(f"is {kind}, not a file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES >> 20} MiB")
    return data


_REFUSED: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
)
