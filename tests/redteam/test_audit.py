"""A user who can only write the database cannot rewrite the audit trail unnoticed. Real stores, a real
Redis."""

import itertools
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from hemostat.adapters.redis import Client, RedisAuditAnchor
from hemostat.adapters.redis.audit_anchor import AUDIT_PREFIX, STORE_PREFIX
from hemostat.adapters.sql_store import SqlStore
from hemostat.adapters.sql_store.schema import events, trail
from hemostat.agents.store_writer import AuditWatch, StoreWriter
from hemostat.cli.main import run
from hemostat.config import load
from hemostat.core.history.audit_chain import ChainPosition, ChainRow, RowHasher, bind_rows
from hemostat.core.history.event_row import build_row
from hemostat.core.settings.store import StoreSettings
from hemostat.errors import ConfigError, StoreUnreachableError
from tests.support.clock import FakeClock
from tests.support.samples import alert, event

pytestmark = pytest.mark.redis
KEY, OTHER = "k" * 32, "o" * 32


class Site:
    """A store with its recorder, and the commands of the operator. `url` is where the store is."""

    def __init__(
        self, url: str, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str
    ) -> None:
        self.url = url
        self.client = client
        self.lines: list[str] = []
        self._clock = FakeClock()
        self._numbers = itertools.count()
        self._environ = monkeypatch
        self.key = tmp_path / "key"
        (tmp_path / "none.toml").touch()
        for name, value in (
            ("CONFIG", str(tmp_path / "none.toml")),
            ("STATE_DIR", str(tmp_path)),
            ("REDIS_URL", redis_url),
            ("STORE_URL", url),
            ("HOST", "h"),
        ):
            monkeypatch.setenv(f"HEMOSTAT_{name}", value)
        self._store = SqlStore(url, self._clock.now)
        self.restart()

    def restart(self, *keys: str) -> None:
        """The alert role ends, and another one begins, with these keys."""
        self.close()
        self._store = SqlStore(self.url, self._clock.now, keys=self._keys)
        notary = RedisAuditAnchor(self.client)
        self._watch = AuditWatch(
            self._store,
            notary,
            self._clock,
            location=self._store.get_location("h"),
            keys=self._keys,
            announce=self.lines.append,
        )
        self._recorder = StoreWriter(self._store, notary, self._clock, StoreSettings(), self._watch)
        self._environ.setenv("HEMOSTAT_STORE_AUDIT_KEY_FILE", str(self.key) if keys else "")
        self.key.write_text("\n".join(keys))

    def _keys(self) -> tuple[bytes, ...]:
        return load(environ=os.environ).settings.audit_keys

    def keep(self, count: int = 3) -> str:
        """Store events, and return the notifications then."""
        self._recorder.store_events([event(alert(), next(self._numbers)) for _ in range(count)])
        return self._recorder.notice()

    def verify(self, *more: str) -> int:
        return self._run("audit", "verify", *more)

    def _run(self, *arguments: str) -> int:
        """A command sets up logging for its process, which is this one."""
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            return run(arguments)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)

    def accept(self, *more: str) -> int:
        return self._run("audit", "accept", "--yes", "--reason", "a disk was lost", "--by", "ann", *more)

    def doctor(self, capsys: pytest.CaptureFixture[str]) -> str:
        capsys.readouterr()
        self._run("doctor", "--json")
        checks = json.loads(capsys.readouterr().out)["checks"]
        return next(str(each["level"]) for each in checks if each["name"] == "audit trail")

    def write(self, change: Callable[[sql.Connection], object]) -> None:
        """As somebody who can write the database."""
        with self._store._begin_writing() as connection:
            change(connection)

    def rewrite(self, *, name: str = "") -> None:
        """Remove a row, number and hash the others again, and set the trail's own head."""
        with self._store.open_trail() as (_, links):
            rows = [link.record for link in links if link.number != 2]
        chain = bind_rows(rows, ChainPosition())
        self.write(lambda connection: _replace(connection, chain, name))

    def close(self) -> None:
        self._store.close()


def _replace(connection: sql.Connection, chain: list[ChainRow], name: str) -> None:
    connection.execute(events.delete())
    for link in chain:
        row = {each: getattr(link.record, each) for each in link.record.__struct_fields__}
        connection.execute(
            events.insert().values(number=link.number, before=link.before, hash=link.hash, **row)
        )
    connection.execute(trail.update().values(head=chain[-1].number, head_hash=chain[-1].hash))
    if name:
        connection.execute(trail.update().values(name=name))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(
    request: pytest.FixtureRequest,
    redis_client: Client,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = Site(url, redis_client, monkeypatch, tmp_path, redis_url)
    yield opened
    opened.close()


on_a_file = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


def rename(site: Site) -> None:
    site.rewrite(name="renamed")


def rewrite(site: Site) -> None:
    site.rewrite()


def cut_off(site: Site) -> None:
    def change(connection: sql.Connection) -> None:
        connection.execute(events.delete().where(events.c.number > 1))
        first = connection.execute(sql.select(events.c.hash)).scalar()
        connection.execute(trail.update().values(head=1, head_hash=first))

    site.write(change)


def cut_beginning(site: Site) -> None:
    def change(connection: sql.Connection) -> None:
        second = connection.execute(sql.select(events.c.hash).where(events.c.number == 2)).scalar()
        connection.execute(events.delete().where(events.c.number <= 2))
        connection.execute(trail.update().values(anchor=2, anchor_hash=second))

    site.write(change)


def empty(site: Site) -> None:
    """Remove the tables: the next role makes them again."""
    site.write(
        lambda connection: [
            connection.execute(sql.text(f"DROP TABLE {name}"))
            for name in ("hemostat_events", "hemostat_trail", "hemostat_schema")
        ]
    )


@pytest.mark.parametrize("attack", [rename, rewrite, cut_off, cut_beginning, empty])
@pytest.mark.parametrize("restarted", [False, True])
def test_replaced_chain_is_reported_until_it_is_accepted(
    site: Site,
    attack: Callable[[Site], None],
    restarted: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (site.keep(), site.verify(), site.doctor(capsys)) == ("", 0, "ok")
    attack(site)
    if restarted or attack is empty:
        site.restart()
    assert "the audit trail" in site.keep()
    assert "audit.replaced" in caplog.text
    assert site.keep(9) != "", "however much is stored since"
    assert (site.verify(), site.doctor(capsys)) == (1, "failure")
    assert "objection" in site.lines[-1]
    assert site.accept() == 0
    assert (site.keep(), site.verify(), site.doctor(capsys)) == ("", 0, "ok")
    site.restart()
    assert (site.keep(), site.verify()) == ("", 0)


def test_acceptance_hides_no_later_change(site: Site) -> None:
    """A later change of a row below the accepted one is found, too."""
    site.keep(9)
    site.write(lambda c: c.execute(sql.text("UPDATE hemostat_events SET host = 'x' WHERE number = 3")))
    assert site.verify() == 1
    assert (site.accept(), site.verify()) == (0, 0)
    site.write(lambda c: c.execute(sql.text("UPDATE hemostat_events SET host = 'x' WHERE number = 5")))
    assert site.verify() == 1
    assert (site.accept(), site.verify()) == (0, 0)
    site.write(lambda c: c.execute(sql.text("DELETE FROM hemostat_events WHERE number = 6")))
    assert site.verify() == 1


def test_acceptance_names_its_author_and_reason(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.keep()
    cut_off(site)
    assert site.accept() == 0
    told = [json.loads(fields[b"event"]) for _, fields in site.client.raw.xrange("hemostat:decision")]
    (said,) = [each["data"] for each in told]
    assert (said["what"], said["by"]) == ("accepted", "ann")
    assert said["reason"].startswith("a disk was lost; up to row 1:")
    capsys.readouterr()
    assert site.accept() == 0
    assert "nothing to accept" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["head", "head:hash", "anchor", "signed", "accepted"])
def test_unreadable_note_is_ignored(site: Site, field: str) -> None:
    site.keep()
    name = AUDIT_PREFIX + site._store.read_ends().trail
    site.client.raw.hset(name, field, b"\xff{")
    noted = RedisAuditAnchor(site.client).read_notes(site._store.read_ends().trail)
    assert (noted.head is None) == field.startswith("head")
    assert (noted.accepted, noted.signed) == (None, 0)


@on_a_file
def test_older_copy_of_the_database_is_detected(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.db"
    site.keep()
    site.close()
    shutil.copy(file, f"{file}.old")
    site.restart()
    site.keep()
    site.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    shutil.copy(f"{file}.old", file)
    site.restart()
    assert (site.verify(), site.doctor(capsys)) == (1, "failure")
    assert site.keep(9) != ""
    assert site.verify() == 1


@on_a_file
def test_database_of_another_store_is_detected(site: Site, tmp_path: Path) -> None:
    """Both are on one Redis, which knows the heads of both."""
    file = tmp_path / "history.db"
    site.keep()
    other = SqlStore(f"sqlite:///{file}.other", FakeClock().now)
    notary = RedisAuditAnchor(site.client)
    watch = AuditWatch(other, notary, FakeClock(), location=other.get_location("h"))
    StoreWriter(other, notary, FakeClock(), StoreSettings(), watch).store_events([event(alert(), 99)])
    assert (watch.objection, site.keep(), site.verify()) == ("", "", 0)
    other.close()
    site.close()
    shutil.copy(f"{file}.other", file)
    site.restart()
    assert "was replaced" in site.keep()
    assert site.verify() == 1


def test_unknown_end_of_the_chain_is_a_failure(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Its head is gone from Redis, or Redis is gone. A role that continues to run remembers it."""
    site.keep()
    site.client.raw.delete(AUDIT_PREFIX + site._store.read_ends().trail)
    assert (site.verify(), site.doctor(capsys)) == (3, "failure")
    site.restart()
    assert "missing in Redis" in site.keep()
    assert site.verify() == 3
    assert (site.accept(), site.verify()) == (0, 0)


def test_end_is_noted_again_after_redis_was_emptied(site: Site) -> None:
    """The role that continues to run notes it, and does not accept a trail that was replaced meanwhile."""
    site.keep()
    site.client.raw.flushall()
    assert (site.verify(), site.keep(), site.verify()) == (3, "", 0)
    site.client.raw.flushall()
    rename(site)
    assert "was replaced" in site.keep()
    assert site.verify() == 3


def test_verification_fails_without_redis(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.keep()
    monkeypatch.setenv("HEMOSTAT_REDIS_URL", "unix:///nowhere/redis.sock")
    assert site.verify() == 3
    assert "some rows could not be compared" in capsys.readouterr().err
    assert site.accept() == 3


# --- with a key --------------------------------------------------------------------------------------


def test_rewritten_signed_chain_is_detected_with_redis_changed(site: Site) -> None:
    """A client that can write both the database and Redis has no key."""
    site.restart(KEY)
    site.keep(5)
    assert site.verify() == 0
    site.rewrite()
    ends = site._store.read_ends()
    head = {"head": ends.head.number, "head:hash": ends.head.hash.hex()}
    site.client.raw.hset(AUDIT_PREFIX + ends.trail, mapping=head)
    assert site.verify() == 1
    assert "not signed with a configured key" in site.keep()
    site.restart(KEY)
    assert "not signed with a configured key" in site.keep()


def test_row_signed_for_another_chain_is_detected() -> None:
    (link,) = bind_rows([build_row(event(alert()), 0.0)], ChainPosition(), RowHasher("a", (KEY.encode(),)))
    assert RowHasher("a", (KEY.encode(),)).is_signed(link.before, link.record, link.hash)
    assert not RowHasher("b", (KEY.encode(),)).is_signed(link.before, link.record, link.hash)


def test_missing_signatures_are_detected(site: Site) -> None:
    """Nor does it to forget in Redis that there were any, to write there what a person accepts, and to wait
    for the next start."""
    site.restart(KEY)
    site.keep(5)
    site.rewrite()
    ends = site._store.read_ends()
    accepted = {"head": {"number": 4, "hash": ""}, "by": "ann"}
    site.client.raw.flushall()
    site.client.raw.hset(AUDIT_PREFIX + ends.trail, "accepted", json.dumps(accepted))
    for _ in range(2):
        site.restart(KEY)
        assert "which is not signed with a configured key" in site.keep()
        assert site.verify() == 1


def test_chain_is_signed_once_a_key_is_configured(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.keep()
    site.restart(KEY)
    assert "which is not signed with a configured key" in site.keep()
    assert (site.verify(), site.doctor(capsys)) == (1, "failure")
    assert (site.accept(), site.keep(), site.verify(), site.doctor(capsys)) == (0, "", 0, "ok")
    site.restart(OTHER, KEY)
    assert (site.keep(), site.verify()) == ("", 0), "a former key is good for the rows that it has signed"


def test_missing_key_is_reported(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.restart(KEY)
    site.keep()
    site.restart()
    assert (site.verify(), site.doctor(capsys)) == (3, "warning")
    assert "no key is configured" in site.keep()
    site.restart(KEY)
    assert "which is not signed with a configured key" in site.keep()
    assert site.verify() == 1, "rows that are not signed follow rows that are"
    assert (site.accept(), site.keep(), site.verify()) == (0, "", 0)


def test_nothing_is_stored_while_the_key_cannot_be_read(site: Site) -> None:
    """The streams keep the events: rows without a signature would be a permanent finding."""
    site.restart(KEY)
    site.keep()
    site.key.unlink()
    with pytest.raises(ConfigError, match="audit_key_file"):
        site.keep()
    site.key.write_text(KEY)
    assert (site.keep(), site._store.read_ends().head.number, site.verify()) == ("", 6, 0)


@pytest.mark.parametrize("keys", [(), (OTHER,)])
def test_chain_continues_after_a_lost_key_is_accepted(site: Site, keys: tuple[str, ...]) -> None:
    site.restart(KEY)
    site.keep()
    site.restart(*keys)
    assert site.keep() != ""
    assert (site.accept(), site.keep(), site.verify()) == (0, "", 0)


def test_each_store_notes_its_chain(site: Site) -> None:
    site.keep()
    place = site._store.get_location("h")
    assert site.client.raw.hget(STORE_PREFIX + place, "trail") == site._store.read_ends().trail.encode()


UNKNOWN = "NEW.head_hash NOT IN (SELECT hash FROM hemostat_events)"
FILTERS = {
    "sqlite": (
        "CREATE TRIGGER f BEFORE INSERT ON hemostat_events WHEN NEW.id='{}' BEGIN SELECT RAISE(IGNORE); END",
        f"CREATE TRIGGER g BEFORE UPDATE ON hemostat_trail WHEN {UNKNOWN} BEGIN SELECT RAISE(IGNORE); END",
    ),
    "postgresql": (
        "CREATE RULE f AS ON INSERT TO hemostat_events WHERE NEW.id = '{}' DO INSTEAD NOTHING",
        f"CREATE RULE g AS ON UPDATE TO hemostat_trail WHERE {UNKNOWN} DO INSTEAD NOTHING",
    ),
}
"""They leave an event out as it is stored, and the trail goes on without a gap."""


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_database_that_drops_rows_is_detected(site: Site, keys: tuple[str, ...]) -> None:
    site.restart(*keys)
    site.keep(1)
    hidden = event(alert(), 99)
    dialect = site._store._engine.dialect.name
    for text in FILTERS[dialect]:
        words = text.format(hidden.id)
        site.write(lambda connection, words=words: connection.exec_driver_sql(words))
    with pytest.raises(StoreUnreachableError, match="does not store the rows"):
        site._recorder.store_events([hidden])
    site.keep(1)
    assert site.verify() == 0
