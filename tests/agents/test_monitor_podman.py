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


def fail_check(watch, monkeypatch, on_failure: str, **spec) -> str:
    """Run a container with an action of Podman's on a failed health check, whose check fails now."""
    web = watch.make(health=("true",), **spec)
    check = HealthCheck(on_failure=on_failure, timeout=1.0)
    change_infos(watch, monkeypatch, check=check, checked_at=watch.clock.now() + 1.0, stop_timeout=1.0)
    hear(watch, web, "unhealthy")
    return web


def end_by_podman(watch, container: str) -> None:
    """Podman ends a container, and marks it as stopped."""
    box = watch.engine._boxes[container]
    box.stopped, box.spec = True, msgspec.structs.replace(box.spec, restart_policy="no")
    watch.engine.crash(container, 137)
    watch.engine._history[-1] = msgspec.structs.replace(watch.engine._history[-1], podman=True)


@pytest.mark.parametrize("on_failure", ["kill", "restart", "stop"])
def test_action_of_podman_on_an_unhealthy_container_comes_first(watch, monkeypatch, on_failure):
    fail_check(watch, monkeypatch, on_failure)
    watch.sample(20)
    assert watch.alerts == []
    watch.sample(2)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]


def test_container_that_podman_ended_as_unhealthy_is_reported(watch, monkeypatch):
    web = fail_check(watch, monkeypatch, "kill")
    end_by_podman(watch, web)
    watch.sample(3)
    [alert] = watch.alerts
    assert (alert.kind, alert.get_fact("check_action")) == (Kind.EXITED, "kill")
    assert not alert.get_fact("given_up")
    watch.sample(20)
    assert len(watch.alerts) == 1


def test_restart_policy_is_given_up_when_podman_ended_the_container(watch, monkeypatch):
    web = fail_check(watch, monkeypatch, "stop")
    inspect = watch.engine.inspect
    policy = {"restart_policy": "always"}
    monkeypatch.setattr(
        watch.engine, "inspect", lambda each: msgspec.structs.replace(inspect(each), **policy)
    )
    end_by_podman(watch, web)
    watch.sample(3)
    assert [each.get_fact("given_up") for each in watch.alerts] == [True]


def test_stop_long_after_the_failed_check_is_a_users(watch, monkeypatch):
    web = fail_check(watch, monkeypatch, "kill")
    watch.sample(60)
    watch.alerts.clear()
    end_by_podman(watch, web)
    watch.sample(3)
    assert [phase for _, phase in watch.told() if phase is Phase.RAISED] == []


def test_container_that_podman_ended_is_left_to_its_systemd_unit(watch, monkeypatch):
    web = fail_check(watch, monkeypatch, "kill", labels={"PODMAN_SYSTEMD_UNIT": "web.service"})
    end_by_podman(watch, web)
    watch.sample(60)
    assert watch.alerts == []
    watch.sample(60)
    assert [each.get_fact("managed_by") for each in watch.alerts] == ["systemd"]
