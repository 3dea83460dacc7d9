"""What the monitor makes of Podman's pods and health checks."""

import msgspec
import pytest

from hemostat.core.model import HealthCheck, Listing
from hemostat.events import Kind, Phase
from tests.support.monitor_harness import MonitorHarness


@pytest.fixture
def watch() -> MonitorHarness:
    return MonitorHarness()


def change_infos(watch, monkeypatch, **changes) -> list[str]:
    """Make inspections show `changes`. Returns the containers that are inspected."""
    inspect, inspected = watch.engine.inspect, list[str]()

    def inspect_changed(container: str):
        inspected.append(container)
        return msgspec.structs.replace(inspect(container), **changes)

    monkeypatch.setattr(watch.engine, "inspect", inspect_changed)
    return inspected


def hear(watch, container: str, health: str) -> None:
    """A health check of Podman has run."""
    watch.engine._boxes[container].health = health
    event = watch.engine._history[-1]
    ref = watch.engine._boxes[container].ref
    watch.clock.advance(1.0)
    changes = {"action": health, "container": ref, "time": watch.clock.now(), "podman": True}
    watch.tell(msgspec.structs.replace(event, **changes))


def test_infra_container_is_not_watched_and_its_death_no_alert(watch, monkeypatch):
    change_infos(watch, monkeypatch, is_infra=True)
    infra = watch.make(name="shop-infra")
    watch.engine.crash(infra, 137)
    watch.sample(20)
    watch.tell(Listing(tuple(watch.engine.list_containers())))
    assert watch.alerts == []
    assert watch.monitor.list_running() == []


def test_infra_container_is_the_root_cause_of_its_pods_failures(watch, monkeypatch):
    infra = watch.make(name="shop-infra")
    inspect = watch.engine.inspect

    def inspect_pod(container: str):
        is_infra = container == infra
        network = "" if is_infra else f"container:{infra}"
        return msgspec.structs.replace(inspect(container), is_infra=is_infra, network_mode=network)

    monkeypatch.setattr(watch.engine, "inspect", inspect_pod)
    web = watch.make(name="web", health=("true",))
    watch.tell(Listing(tuple(watch.engine.list_containers()), thorough=True))
    watch.engine.crash(infra, 137)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(2)
    assert [(each.container.name, each.root) for each in watch.alerts] == [("web", "shop-infra")]


def test_repeated_health_event_of_podman_needs_no_inspection(watch, monkeypatch):
    web = watch.make(health=("true",))
    hear(watch, web, "healthy")
    inspected = change_infos(watch, monkeypatch)
    hear(watch, web, "healthy")
    assert inspected == []
    for _ in range(3):
        hear(watch, web, "unhealthy")
    assert inspected == [web]
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]


def test_health_event_with_an_outdated_state_of_podman_is_no_alert(watch):
    """Before 5.0, Podman sends the event before it records the result."""
    web = watch.make(health=("true",))
    hear(watch, web, "unhealthy")
    watch.alerts.clear()
    event = watch.engine._history[-1]
    watch.engine._boxes[web].health = "healthy"
    watch.clock.advance(1.0)
    changes = {"action": "unhealthy", "time": watch.clock.now(), "podman": True}
    watch.tell(msgspec.structs.replace(event, container=watch.engine.inspect(web).ref, **changes))
    watch.sample(1)
    assert Phase.RAISED not in {phase for _, phase in watch.told()}


def test_list_finds_an_unhealthy_container_without_an_event(watch, monkeypatch):
    """Podman's list shows no health, and some of its event backends no events."""
    web = watch.make(health=("true",))
    change_infos(watch, monkeypatch, check=HealthCheck())
    watch.engine._boxes[web].health = "healthy"
    rows = lambda: tuple(  # noqa: E731 - as a list without health
        msgspec.structs.replace(each, health=None, age=None) for each in watch.engine.list_containers()
    )
    watch.tell(Listing(rows(), thorough=True))
    watch.clock.advance(600.0)
    watch.engine._boxes[web].health = "unhealthy"
    watch.tell(Listing(rows()))
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
