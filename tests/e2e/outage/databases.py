"""Databases that can be made unavailable for a while."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol

from tests.support import postgres_fixtures
from tests.support.postgres_fixtures import Server


class Database(Protocol):
    name: str
    url: str
    wrapper: tuple[str, ...]
    """The command that starts a role, so that the database is unavailable to the role, too."""

    def take_away(self) -> bool:
        """Make the database unavailable. Returns whether only a role that is started later notices."""
        ...

    def give_back(self) -> None: ...


class Postgres:
    """A PostgreSQL server, which is stopped."""

    name = "PostgreSQL"
    wrapper = ()

    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    def take_away(self) -> bool:
        self._server.stop()
        return False

    def give_back(self) -> None:
        self._server.start()


class Sqlite:
    """A file of SQLite. It is locked by another process; the next time, the file and its directory are
    read-only."""

    name = "SQLite"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "history.db"
        self.url = f"sqlite:///{self._file}"
        self.wrapper = _mortal()
        self._ways = cycle((self._lock, self._close))

    def take_away(self) -> bool:
        self.give_back = next(self._ways)()
        return self.give_back is not self._unlock

    def give_back(self) -> None:
        raise AssertionError("it is here")

    def _lock(self) -> Callable[[], None]:
        self._holder = sqlite3.connect(self._file, timeout=60, isolation_level=None)
        self._holder.execute("BEGIN EXCLUSIVE")
        return self._unlock

    def _unlock(self) -> None:
        self._holder.close()

    def _close(self) -> Callable[[], None]:
        self._allow(0o500, 0o400)
        return lambda: self._allow(0o700, 0o600)

    def _allow(self, directory: int, files: int) -> None:
        self._directory.chmod(directory)
        for each in self._directory.iterdir():
            each.chmod(files)


def _mortal() -> tuple[str, ...]:
    """Return the command that takes from a process of root the right to ignore the modes of files."""
    if os.geteuid() != 0:
        return ()
    assert shutil.which("setpriv"), "root needs setpriv, of util-linux"
    rights = "-dac_override,-dac_read_search"
    return ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", "--")


@contextmanager
def postgres() -> Iterator[Database]:
    programs = postgres_fixtures.programs()
    assert programs is not None, "there is no PostgreSQL here"
    with tempfile.TemporaryDirectory(prefix="hs-outage-") as directory:
        server = Server(programs, Path(directory))
        server.start()
        try:
            yield Postgres(server)
        finally:
            server.stop()


@contextmanager
def sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="hs-outage-") as directory:
        yield Sqlite(Path(directory))


DATABASES: Final[dict[str, Callable[[], AbstractContextManager[Database]]]] = {
    "sqlite": sqlite,
    "postgresql": postgres,
}
