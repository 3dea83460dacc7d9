"""Whatever dies, the database comes to hold what the streams held, event for event, in one unbroken trail."""

import random
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect
from hemostat.adapters.sql_store import SqlStore
from hemostat.core.record import Wanted
from hemostat.events import DURABLE, Event
from hemostat.topology import KEEPER
from tests.e2e import command
from tests.engine_fixtures import eventually
from tests.postgres_fixtures import Server
from tests.samples import DIAGNOSIS, NOW, FalseAlarm, alert, complete, event, needed

INCIDENTS = 200
ROUNDS = 6

pytestmark = [pytest.mark.redis, pytest.mark.postgres]


def incident(number: int) -> list[Event]:
    name = f"i{number}"
    return [
        event(alert(), number, incident=name),
        event(needed(), number + 0.1, incident=name),
        event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), number + 0.2, incident=name),
        event(complete(), number + 0.3, incident=name),
    ]


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hs-test-") as directory:
        yield Path(directory)
        eventually(EmbeddedRedis(Path(directory)).shut_down_if_unused)


def test_the_store_equals_the_streams_whatever_is_killed(
    state: Path, postgres_server: Server, postgres_url: str
) -> None:
    """Two roles store at once; they and the database are killed at random while incidents come in."""
    chance = random.Random(7)  # noqa: S311 - the same every time
    bus = RedisBus(connect(EmbeddedRedis(state).ensure()))
    env = command.environ(state, STORE_URL=postgres_url)
    roles = {name: _start(name, env) for name in ("one", "two")}
    told = threading.Thread(target=lambda: _tell(bus))
    told.start()
    try:
        for _ in range(ROUNDS):
            wounded = chance.choice([*roles, *roles, "database"])
            seen = _stored(postgres_url)
            if wounded == "database":
                postgres_server.stop()
                postgres_server.start()
            else:
                roles[wounded].send_signal(signal.SIGKILL)
                roles[wounded].communicate()
                roles[wounded] = _start(wounded, env)
            eventually(lambda seen=seen: _stored(postgres_url) > seen or not told.is_alive())
        told.join()
        eventually(lambda: bus.lag(KEEPER.group(""), KEEPER.reads) == 0, seconds=60)
        store = SqlStore(postgres_url, lambda: NOW, write=False)
        stored = [row.event for row in store.find(Wanted())]
        store.close()
        said = [each for stream in DURABLE for each in bus.recent(stream, 10_000)]
        assert len(stored) == 4 * INCIDENTS
        assert sorted(stored, key=_id) == sorted(said, key=_id)
        checked = command.run("audit", "verify", env=env)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    finally:
        for role in roles.values():
            role.kill()
            role.communicate()
        bus.close()


def _tell(bus: RedisBus) -> None:
    """Not faster than roles are killed: each incident waits for a part of those before."""
    for number in range(INCIDENTS):
        bus.publish(incident(number))
        eventually(lambda: bus.lag(KEEPER.group(""), KEEPER.reads) < 100, seconds=60)


def _start(name: str, env: dict[str, str]) -> subprocess.Popen[str]:
    """Under a name that it has again after it was killed, as the supervisor's children do."""
    return command.start("-q", "alert", "--instance", name, env=env, stderr=subprocess.DEVNULL)


def _stored(url: str) -> int:
    store = SqlStore(url, lambda: NOW)
    try:
        return store.ends().head.number
    finally:
        store.close()


def _id(each: Event) -> str:
    return each.id
