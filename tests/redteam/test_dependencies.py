"""A tenant's containers that need each other, and names by which others' dependencies might be found."""

import time
from collections.abc import Iterator

import pytest
from docker.models.containers import Container

from hemostat.events import Event, HealthAlert, Kind
from tests.e2e.scenarios.mains import LISTEN
from tests.e2e.scenarios.model import Box
from tests.redteam.scene import LABEL, VICTIM, Scene
from tests.support.engine_fixtures import IMAGE

pytestmark = [pytest.mark.docker, pytest.mark.redis]

CROWD = 90


@pytest.fixture
def named(scene: Scene) -> Iterator[list[Container]]:
    """Containers whose names the scene would not allow."""
    made: list[Container] = []
    yield made
    for each in made:
        each.remove(force=True)


def test_crash_is_healed_beside_a_large_dependency_cycle(scene):
    """The containers have ended and so cost their owner nothing. Each names a service of all of them twenty
    times."""
    project = {"com.docker.compose.project": f"{scene.group}-crowd", "hemostat.protect": "true"}
    needs = ",".join(["dead:service_started:false"] + ["crowd:service_started:false"] * 19)
    labels = {
        **project,
        "com.docker.compose.service": "crowd",
        "com.docker.compose.depends_on": needs,
        "hemostat.depends_on": ",".join(["crowd"] * 20),
    }
    scene.make("dead", "exit 1", labels={**project, "com.docker.compose.service": "dead"})
    for number in range(CROWD):
        scene.lab.make(Box(name=f"t{number}", main="exit 1", labels=labels), start=False)
    scene.make_victim()
    scene.start(MONITOR_STORM_COUNT="1000")
    for number in range(CROWD):
        scene.lab[f"t{number}"].start()
    scene.await_event(scene.about(f"t{CROWD - 1}"), seconds=60.0)
    for _ in range(2):
        time.sleep(3.0)
        before = scene.lab.restarts("victim")
        scene.crash()
        deadline = time.monotonic() + 15.0
        while scene.lab.restarts("victim") == before and time.monotonic() < deadline:
            scene.lab.state("victim")
            time.sleep(0.1)
        assert scene.lab.restarts("victim") > before


def test_probe_is_not_redirected_by_a_name_equal_to_an_id(scene, named):
    vpn = scene.make("vpn", LISTEN, network=True)
    labels = {"hemostat.probe": "http://:8080/", "hemostat.probe.start_period": "0s"}
    scene.make("victim", labels=labels, options={"network_mode": "container:vpn"})
    evil = scene.client.containers.create(
        IMAGE, ["sleep", "1000"], name=vpn.id, labels={LABEL: scene.group}, network=scene.lab.prefix
    )
    named.append(evil)
    evil.start()
    scene.lab.state("victim")
    scene.start()
    about = scene.about("victim")

    def is_hung(event: Event) -> bool:
        return isinstance(event.data, HealthAlert) and event.data.kind is Kind.HUNG and about(event)

    time.sleep(10.0)
    assert not any(is_hung(event) for event in scene.events)
    scene.lab.state("victim")
    assert scene.lab.restarts("victim") == 0


def test_connection_of_a_neighbour_is_not_the_victims(scene):
    """The neighbour has joined the victim's network namespace, and claims that the other end is in its
    project."""
    scene.make_victim(service="web", network=True)
    labels = {
        "com.docker.compose.project": scene.lab.prefix,
        "com.docker.compose.service": "cache",
        "com.docker.compose.config-hash": "0" * 64,
        "hemostat.protect": "true",
    }
    scene.make("cache", f"nc -ll -p 9000 -e cat & {VICTIM}", labels=labels, network=True)
    caller = f"while :; do sleep 1000 | nc {scene.lab.address('cache')} 9000; sleep 1; done"
    scene.make("evil", caller, options={"network_mode": "container:victim"})
    scene.start()
    about = scene.about("cache")

    def is_alert(event: Event) -> bool:
        return isinstance(event.data, HealthAlert) and about(event)

    time.sleep(20.0)
    scene.crash("cache")
    scene.await_event(is_alert)
    scene.crash()
    scene.await_healed()
