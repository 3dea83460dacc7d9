"""Engines of SQLAlchemy: how SQLite and PostgreSQL are spoken to, and their failures in our words."""

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
from hemostat.errors import (
    ConfigError,
    NothingStoredError,
    StoreError,
    StoreUnreachableError,
    UnsafePathError,
)
from hemostat.private_files import open_file

CONNECT_SECONDS: Final = 10
"""Seconds to wait for a connection, or for whoever writes to an SQLite file."""
STATEMENT_MILLISECONDS: Final = 60_000
"""Milliseconds that PostgreSQL may take for one statement of a writer, and SQLite for a transaction."""
STEPS: Final = 100_000
"""Of SQLite's machine, between two looks at the time: some milliseconds."""
ANY_TEXT_ENCODINGS: Final = frozenset({"UTF8", "SQL_ASCII"})
"""Encodings of a database that takes whatever an event says; the second is none, and takes all bytes."""
ENCODE_HINT: Final = (
    "write %40 for @, %23 for #, %2F for /, %3F for ?; or put the URL into a file: store.url_file"
)
PLACE_KEYS: Final = frozenset({"host", "port", "dbname", "service"})
"""Parameters of a URL that say where the database is."""
WRITES_OPTION: Final = "writes"
"""Execution option of a connection that is about to write."""


def connect(url: str, *, write: bool) -> sql.Engine:
    """An engine of this URL; nothing is connected yet. Raises ConfigError where the URL cannot be used."""
    try:
        parsed = sql.make_url(url)
    except (ArgumentError, ValueError):
        hint = "such as postgresql://user:password@host/name, where an @ in the password is written %40"
        raise ConfigError("store.url is no URL", hint=hint) from None
    _refuse_ambiguous(parsed)
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            return _make_sqlite(parsed, write=write)
        case "postgresql" | "postgres":
            return _make_postgres(parsed, write=write)
        case other:
            raise ConfigError(f"store.url: {other} is neither postgresql nor sqlite")


def identify(url: sql.URL, host: str) -> str:
    """Names the database of this URL, whoever logs in and with which password; `host` is where a file is."""
    if url.get_backend_name() == "sqlite":
        named = f"{host}:{Path(url.database or '').absolute()}"
    else:
        asked = {key: value for key, value in url.query.items() if key in PLACE_KEYS}
        named = f"{url.host or ''}:{url.port or ''}/{url.database or ''}{sorted(asked.items()) or ''}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _refuse_ambiguous(url: sql.URL) -> None:
    """Raise ConfigError where a piece of the password would be taken for the host, and told as one."""
    places = f"{url.host}{url.database}{''.join(url.query)}"
    if {"@", "#"} & set(places) and not url.drivername.startswith("sqlite"):
        raise ConfigError(
            "store.url: a character of its user or password must be percent-encoded", hint=ENCODE_HINT
        )


def _describe_error(error: Exception, url: str) -> str:
    """The first line of the driver's own words, without the password."""
    password = sql.make_url(url).password
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return mask_secret(text, url, password, quote(password or "")).splitlines()[0]


def _make_postgres(url: sql.URL, *, write: bool) -> sql.Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "hemostat",
        "client_encoding": "utf8",
    }
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
            hint = "create one WITH ENCODING 'UTF8'"
            raise StoreError(f"the database's encoding {encoding} does not have every character", hint=hint)

    return engine


def _make_sqlite(url: sql.URL, *, write: bool) -> sql.Engine:
    """Written through to the disk before an event is acknowledged; read while it is written."""
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
        except UnsafePathError as error:  # a person can mend it while the role waits
            raise StoreUnreachableError(error.message, hint=error.hint) from None
        except OSError as error:
            raise StoreUnreachableError(f"{path}: {error.strerror}") from None

    watch = _Watch(STATEMENT_MILLISECONDS / 1000 if write else None)

    @sql.event.listens_for(engine, "connect")
    def begin_ourselves(raw: Any, _: object) -> None:
        raw.isolation_level = None
        raw.set_progress_handler(watch.is_over, STEPS)
        raw.text_factory = lambda text: text.decode(errors="replace")  # what was spoilt can still be named
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
    """Ends a transaction that takes too long: a view or a trigger that somebody else has made may never end.
    That SQLite asks now and then also lets Ctrl-C end a reader. For each thread by itself."""

    def __init__(self, seconds: float | None) -> None:
        """None: for as long as it takes."""
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
"""By whether it writes. The first of them must come before there is any table."""


def _prepare_file(path: Path, *, write: bool) -> None:
    """What is stored is for its owner's eyes alone."""
    if write:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(open_file(path))
    elif not path.exists():
        raise NothingStoredError(
            f"nothing is stored yet: there is no {path}", hint="start HemoStat with: hemostat all"
        )


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Whatever the database says passes, or can be mended by somebody while we wait: a full disk, a missing
    right, a server that is away."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnreachableError(f"the store {mask_url(url)}: {_describe_error(error, url)}") from error
