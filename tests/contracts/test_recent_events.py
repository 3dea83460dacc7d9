"""The contract of RecentEvents: SQLite, PostgreSQL, Redis, and the in-memory fake."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hemostat.adapters.in_memory.recent_events import InMemoryRecentEvents
from hemostat.adapters.redis import Client, RedisRecentEvents
from hemostat.adapters.sql_store import SqlStore
from hemostat.core.history.identity import identify_event
from hemostat.events import decode
from hemostat.ports import RecentEvents
from tests.support.samples import ALL, NOW, alert, complete, decided, event


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecentEvents]:
    match request.param:
        case "memory":
            yield InMemoryRecentEvents()
        case "redis":
            yield RedisRecentEvents(request.getfixturevalue("redis_client"))
        case "sqlite" | "postgres" as kind:
            url = (
                f"sqlite:///{tmp_path / 'store'}"
                if kind == "sqlite"
                else request.getfixturevalue("postgres_url")
            )
            sql_store = SqlStore(url, lambda: NOW)
            yield sql_store
            sql_store.close()


def test_event_is_stored_once(store: RecentEvents) -> None:
    """A redelivered event is not stored again."""
    assert store.append([event(alert())]) == [event(alert())]
    assert store.append([event(alert()), event(alert(), 1), event(alert(), 1)]) == [event(alert(), 1)]
    assert store.append([]) == []
    assert store.append([event(alert())]) == []
    assert store.append([event(complete())]) == [event(complete())]


def test_all_types_can_be_stored_together(store: RecentEvents) -> None:
    assert store.append(ALL) == list(ALL)
    assert store.append(ALL) == []


@pytest.mark.parametrize("name", ["\x00", "\ud7ff\u2028", "x" * 50_000, "'; DROP TABLE", ""])
def test_hostile_sender_does_not_block_others(store: RecentEvents, name: str) -> None:
    """Events are stored whatever their names are, and so are other events."""
    data = alert(container=msgspec.structs.replace(alert().container, name=name, id=name))
    hostile = msgspec.structs.replace(event(data), id=name, host=name, incident=name)
    assert store.append([event(alert()), hostile, event(complete())]) == [
        event(alert()),
        hostile,
        event(complete()),
    ]
    assert store.append([hostile]) == []


@pytest.mark.redis
def test_newest_events_come_first_by_type(redis_client: Client) -> None:
    store = RedisRecentEvents(redis_client)
    store.append([*(event(alert(), at) for at in (1, 2, 2)), event(complete(), 3)])
    listed = [decode(raw) for raw in redis_client.raw.lrange("hemostat:events:health_alert", 0, -1)]
    assert listed == [event(alert(), 2), event(alert(), 1)]


@pytest.mark.redis
def test_the_list_is_bounded(redis_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemostat.adapters.redis.recent_events.MAX_LISTED", 3)
    store = RedisRecentEvents(redis_client)
    for at in range(5):
        store.append([event(alert(), at)])
    listed = redis_client.raw.lrange("hemostat:events:health_alert", 0, -1)
    assert [decode(raw) for raw in listed] == [event(alert(), at) for at in (4, 3, 2)]


def test_another_event_with_a_known_id_is_stored_as_well(store: RecentEvents) -> None:
    """Ids are the senders' choice: another user may have sent one with this id first."""
    first, honest = event(complete()), event(decided(), 1)
    forged = msgspec.structs.replace(first, id=honest.id)
    changed = msgspec.structs.replace(honest, time=NOW + 2)
    assert store.append([forged]) == [forged]
    assert store.append([honest]) == [honest]
    assert store.append([honest, forged, changed, honest]) == [changed]
    assert store.append([changed, honest, forged]) == []


def test_events_with_one_id_in_one_batch_are_all_stored(store: RecentEvents) -> None:
    honest = event(decided())
    forged = msgspec.structs.replace(event(complete()), id=honest.id)
    assert store.append([forged, honest, forged, honest]) == [forged, honest]
    assert store.append([honest, forged]) == []


def test_id_cannot_take_the_place_of_a_reused_one(store: RecentEvents) -> None:
    honest = event(decided())
    forged = msgspec.structs.replace(event(complete()), id=honest.id)
    blocking = msgspec.structs.replace(forged, id=identify_event(honest))
    assert store.append([forged, blocking, honest]) == [forged, blocking, honest]
