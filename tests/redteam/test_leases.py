"""Containers that ask for endless stops, and leases without an end, keep no other container down."""

import time

import msgspec
import pytest

from hemostat.core.ledger.rows import Attempt
from hemostat.events import Action, Kind, Outcome, RemediationComplete, RemediationNeeded
from tests.support.engine_fixtures import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis]
TEN_YEARS = 315_360_000
DEAF = 'trap "" TERM; while :; do sleep 1; done'
"""Ignores SIGTERM, so that stopping it takes as long as it asks for."""
CALM = {"MONITOR_STORM_COUNT": "100"}


def make_slow(scene, count: int) -> None:
    """Create unhealthy containers that request an hour to stop, the longest time that a label may name."""
    for number in range(count):
        labels = {"hemostat.stop_timeout": "1h"}
        scene.make(f"t{number}", DEAF, health="false", healthy=False, labels=labels)


def requests(scene) -> set[str]:
    return {
        each.data.alert.container.name for each in scene.events if isinstance(each.data, RemediationNeeded)
    }


def running(scene) -> list[Attempt]:
    values = scene.running._client.raw.hvals(f"hemostat:ledger:{scene.group}:running")
    return [msgspec.json.decode(value, type=Attempt) for value in values]


def lease_everything(scene, names: list[str]) -> None:
    """What a responder of an earlier version, or a writer of the database, has left: leases for ten years."""
    key, now = f"hemostat:ledger:{scene.group}:running", time.time()
    for name in names:
        row = Attempt(
            key=f"old:{name}", container=name, action=Action.RESTART, time=now, by="responder@old",
            lease=now + TEN_YEARS,
        )  # fmt: skip
        scene.running._client.raw.hset(key, row.key, msgspec.json.encode(row))


def test_slow_stops_leave_slots_to_a_stopped_container(scene):
    make_slow(scene, 6)
    scene.make_victim()
    scene.start(**CALM)
    eventually(lambda: len(running(scene)) == 2 and len(requests(scene)) >= 5, seconds=30)
    scene.crash()
    scene.await_healed()
    assert all(each.lease - each.time <= 900 for each in running(scene))
    scene.stop()
    for number in range(6):
        scene.lab[f"t{number}"].remove(force=True)
    scene.start(**CALM)
    scene.crash()
    scene.await_healed()


def test_container_is_killed_after_the_maximum_stop_timeout(scene):
    make_slow(scene, 1)
    scene.start(RESPONDER_STOP_TIMEOUT_MAX="2s", **CALM)
    about = scene.about("t0")

    def is_complete(event) -> bool:
        done = event.data
        return isinstance(done, RemediationComplete) and done.kind is Kind.UNHEALTHY and about(event)

    complete = scene.await_event(is_complete, seconds=60)
    assert complete.data.outcome in {Outcome.HEALED, Outcome.FAILED}


@pytest.mark.parametrize("freed_by", ["removal", "reset"])
def test_lease_of_ten_years_ends_with_container_or_reset(scene, freed_by):
    made = [scene.make(f"idle{number}") for number in range(4)]
    scene.make_victim()
    scene.start(**CALM)
    lease_everything(scene, [str(each.name) for each in made])
    scene.crash()
    eventually(lambda: scene.lab["victim"].name in requests(scene))
    assert not scene.lab.state("victim")["Running"]
    if freed_by == "removal":
        made[0].remove(force=True)
    else:
        reset = scene.run("reset")
        assert (reset.returncode, reset.stderr) == (0, "")
    scene.await_healed()


def test_project_leaves_half_of_the_slots_to_others(scene):
    labels = {"com.docker.compose.project": "greedy"}
    for number in range(5):
        scene.make(f"t{number}", DEAF, health="false", healthy=False, labels=labels)
    scene.make("ill", DEAF, health="false", healthy=False)
    scene.make_victim()
    scene.start(**CALM)
    eventually(lambda: len(requests(scene)) == 6, seconds=30)
    scene.crash()
    held: list[int] = []

    def is_healed() -> bool:
        held.append(sum(each.project == "greedy" for each in running(scene)))
        return bool(scene.lab.state("victim").get("Running")) and scene.lab.restarts("victim") > 0

    eventually(is_healed, seconds=20)
    assert 1 <= max(held) <= 3
