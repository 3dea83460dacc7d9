"""Creates SQLAlchemy engines for SQLite and PostgreSQL, and translates their errors."""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from hemostat.core.redact.address import mask_secret, mask_url
from hemostat.core.settings.local_address import LOCALHOST, is_localhost
from hemostat.errors import (
    ConfigError,
    NothingStoredError,
    StoreError,
    StoreUnreachableError,
    UnsafePathError,
)
from hemostat.private_files import check_directory, open_file

CONNECT_SECONDS: Final = 10
"""Seconds to wait for a connection, or for another writer of an SQLite file."""
KEEPALIVE_OPTIONS: Final = {"keepalives_idle": 10, "keepalives_interval": 10, "keepalives_count": 3}
"""A PostgreSQL that is gone without a word, as behind a firewall, is noticed after 40 s, and not 2 h."""
STATEMENT_MILLISECONDS: Final = 60_000
"""Milliseconds for one statement of a PostgreSQL writer, and for one transaction of an SQLite writer."""
STEPS: Final = 100_000
"""Steps of SQLite's virtual machine between two checks of the time: some milliseconds."""
ANY_TEXT_ENCODINGS: Final = frozenset({"UTF8", "SQL_ASCII"})
"""Encodings of a database that stores any text. SQL_ASCII is not an encoding: it stores any bytes."""
ENCODE_HINT: Final = (
    "write %40 for @, %23 for #, %2F for /, %3F for ?; or write the URL to a file: store.url_file"
)
PLACE_KEYS: Final = frozenset({"host", "port", "dbname", "service"})
"""Parameters of a URL that locate the database."""
WRITES_OPTION: Final = "writes"
"""Execution option of a connection that is about to write."""


def connect(url: str, *, write: bool) -> sql.Engine:
    """An engine of this URL, not yet connected. Raises ConfigError for an unusable URL."""
    try:
        parsed = sql.make_url(url)
    except (ArgumentError, ValueError):
        hint = "such as postgresql://user:password@host/name, where an @ in the password is written %40"
        raise ConfigError("store.url is not a URL", hint=hint) from None
    _refuse_ambiguous(parsed)
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            return _make_sqlite(parsed, write=write)
        case "postgresql" | "postgres":
            return _make_postgres(parsed, write=write)
        case driver:
            raise ConfigError(f"store.url: {driver} is neither postgresql nor sqlite")


def identify(url: sql.URL, host: str) -> str:
    """A name for the database of this URL, whatever the user and password.

    `host`: where an SQLite file is.
    """
    if url.get_backend_name() == "sqlite":
        location = f"{host}:{Path(url.database or '').absolute()}"
    else:
        location_options = {key: value for key, value in url.query.items() if key in PLACE_KEYS}
        location = (
            f"{url.host or ''}:{url.port or ''}/{url.database or ''}{sorted(location_options.items()) or ''}"
        )
    return hashlib.sha256(location.encode()).hexdigest()[:16]


def _refuse_ambiguous(url: sql.URL) -> None:
    """Raise ConfigError if part of the password would be read as the host, and shown as such."""
    location_text = f"{url.host}{url.database}{''.join(url.query)}"
    if {"@", "#"} & set(location_text) and not url.drivername.startswith("sqlite"):
        raise ConfigError(
            "store.url: a character of its user or password must be percent-encoded", hint=ENCODE_HINT
        )


def _describe_error(error: Exception, url: str) -> str:
    """The first line of the driver's error, without the password."""
    password = sql.make_url(url).password
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return mask_secret(text, url, password, quote(password or "")).splitlines()[0]


def _make_postgres(url: sql.URL, *, write: bool) -> sql.Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "hemostat",
        "client_encoding": "utf8",
        **KEEPALIVE_OPTIONS,
    }
    host = url.host or url.query.get("host")
    if isinstance(host, str) and is_localhost(host) and "hostaddr" not in url.query:
        arguments["hostaddr"] = LOCALHOST
    if write:
        arguments |= {
            "options": f"-c statement_timeout={STATEMENT_MILLISECONDS}",
            "tcp_user_timeout": CONNECT_SECONDS * 1000,
        }
    try:
        engine = sql.create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_size=1, max_overflow=2
        )
    except ImportError:
        hint = "install it with: pip install 'hemostat[postgres]'"
        raise ConfigError("the driver for PostgreSQL is missing", hint=hint) from None

    @sql.event.listens_for(engine, "connect")
    def expect_any_text(raw: Any, _: object) -> None:
        encoding = raw.info.parameter_status("server_encoding")
        if encoding not in ANY_TEXT_ENCODINGS:
            raw.close()
            hint = "create a database WITH ENCODING 'UTF8'"
            raise StoreError(f"the database's encoding {encoding} does not support all characters", hint=hint)

    return engine


def _make_sqlite(url: sql.URL, *, write: bool) -> sql.Engine:
    """Writes reach the disk before an event is acknowledged. Reads are possible during a write."""
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise ConfigError(
            "store.url: an SQLite database needs a path", hint="such as sqlite:////path/to/file"
        )
    engine = sql.create_engine(
        url.set(drivername="sqlite+pysqlite"), connect_args={"timeout": CONNECT_SECONDS}
    )

    @sql.event.listens_for(engine, "do_connect")
    def prepare(*_: object) -> None:
        try:
            _prepare_file(path, write=write)
        except UnsafePathError as error:  # an operator can fix it while the role waits
            raise StoreUnreachableError(error.message, hint=error.hint) from None
        except OSError as error:
            raise StoreUnreachableError(f"{path}: {error.strerror}") from None

    watch = _Watch(STATEMENT_MILLISECONDS / 1000 if write else None)

    @sql.event.listens_for(engine, "connect")
    def begin_ourselves(raw: Any, _: object) -> None:
        raw.isolation_level = None
        raw.set_progress_handler(watch.is_over, STEPS)
        raw.text_factory = lambda text: text.decode(errors="replace")  # a damaged text can still be shown
        for pragma in _PRAGMAS[write]:
            raw.execute(f"PRAGMA {pragma}")

    @sql.event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        writes = connection.get_execution_options().get(WRITES_OPTION)
        watch.begin()
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    for name in ("commit", "rollback"):
        sql.event.listen(engine, name, watch.end)
    return engine


class _Watch:
    """Ends a transaction that takes too long, for each thread by itself.

    A view or a trigger in the database may never end. The regular check also lets Ctrl-C end a reader.
    """

    def __init__(self, seconds: float | None) -> None:
        """`seconds`: None for no limit."""
        self._seconds = seconds
        self._began = threading.local()

    def begin(self) -> None:
        self._began.at = time.monotonic()

    def end(self, _: object) -> None:
        self._began.at = None

    def is_over(self) -> bool:
        at = getattr(self._began, "at", None)
        return self._seconds is not None and at is not None and time.monotonic() - at > self._seconds


_PRAGMAS: Final = {
    True: ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = FULL"),
    False: ("query_only = ON", "cache_size = -65536"),
}
"""By whether the connection writes. `auto_vacuum` must be set before there is any table."""


def _prepare_file(path: Path, *, write: bool) -> None:
    """Create the file with access for its owner only, or raise NothingStoredError for a missing file.

    The directory is checked for readers too: SQLite obeys a journal beside the database, which may name
    files to remove.
    """
    check_directory(path.parent)
    if write:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(open_file(path))
    elif not path.exists():
        raise NothingStoredError(
            f"nothing is stored yet: there is no {path}", hint="start HemoStat with: hemostat all"
        )


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Raise StoreUnreachableError for every database error.

    Each can pass or be fixed while the role waits: a full disk, a missing right, an unreachable server.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnreachableError(f"the store {mask_url(url)}: {_describe_error(error, url)}") from error
