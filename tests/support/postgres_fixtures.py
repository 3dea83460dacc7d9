"""A real PostgreSQL for the tests that need one: private, on a unix socket, emptied before each."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.required import missing

PLACES = (
    "/usr/lib/postgresql/*/bin/pg_ctl",
    "/usr/pgsql-*/bin/pg_ctl",
    "/opt/homebrew/opt/postgresql*/bin/pg_ctl",
)


class Server:
    """PostgreSQL in a directory. It refuses to run as root: root starts it as somebody with no rights."""

    def __init__(self, programs: Path, directory: Path, *, durable: bool = False) -> None:
        """`durable`: write through to the disk, as a server in use does."""
        self._programs = programs
        self._data = directory / "data"
        self._who = "nobody" if os.geteuid() == 0 else None
        self.url = f"postgresql://hemostat@/postgres?host={directory}"
        if self._who:
            shutil.chown(directory, self._who)
        self._run("initdb", "-U", "hemostat", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"listen_addresses=''\nunix_socket_directories='{directory}'\n"
        options += "" if durable else "fsync=off\n"
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(options)

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def size(self, table: str) -> int:
        """Bytes on disk, indexes included."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
            return int(row[0]) if row else 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        done = subprocess.run(command, user=self._who, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def programs() -> Path | None:
    """The directory of the newest PostgreSQL here."""
    found = [Path(each).parent for each in [shutil.which("pg_ctl")] if each]
    found += sorted(each.parent for place in PLACES for each in Path("/").glob(place[1:]))
    return found[-1] if found else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """No programs to start one: a laptop skips and CI fails."""
    found = programs()
    if found is None:
        missing("there is no PostgreSQL here: apt install postgresql")
    with tempfile.TemporaryDirectory(prefix="hs-test-") as directory:
        server = Server(found, Path(directory))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres_url(postgres_server: Server) -> str:
    import psycopg

    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("DROP TABLE IF EXISTS hemostat_events, hemostat_trail, hemostat_schema, extra")
    return postgres_server.url
