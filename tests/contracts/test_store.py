"""What every store must do: Redis, and the fake that stands for it."""

import pytest

from hemostat.adapters.memory_bus import MemoryStore
from hemostat.adapters.redis import Client, RedisStore
from hemostat.events import decode
from hemostat.ports import Store
from tests.samples import alert, complete, event


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return RedisStore(request.getfixturevalue("redis_client"))


def test_an_event_is_kept_once(store: Store) -> None:
    """A redelivered event is not news."""
    assert not store.kept(event(alert()).id)
    assert store.append([event(alert())]) == [event(alert())]
    assert store.append([event(alert()), event(alert(), 1), event(alert(), 1)]) == [event(alert(), 1)]
    assert store.append([]) == []
    assert store.kept(event(alert()).id)
    assert not store.kept(event(complete()).id)


@pytest.mark.redis
def test_third_parties_find_the_newest_first_by_type(redis_client: Client) -> None:
    store = RedisStore(redis_client)
    store.append([*(event(alert(), at) for at in (1, 2, 2)), event(complete(), 3)])
    listed = [decode(raw) for raw in redis_client.raw.lrange("hemostat:events:health_alert", 0, -1)]
    assert listed == [event(alert(), 2), event(alert(), 1)]


@pytest.mark.redis
def test_the_list_is_bounded(redis_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemostat.adapters.redis.store.LISTED", 3)
    store = RedisStore(redis_client)
    for at in range(5):
        store.append([event(alert(), at)])
    listed = redis_client.raw.lrange("hemostat:events:health_alert", 0, -1)
    assert [decode(raw) for raw in listed] == [event(alert(), at) for at in (4, 3, 2)]
