"""Whether the symptom of an alert is gone after an action."""

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.responder.verifier import MAX_WAIT_SECONDS, NOT_PROBED, Verifier
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Container, Evidence, HealthAlert, Kind, Outcome
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock
from tests.support.samples import alert

MIB = 1 << 20


class Scene:
    """`probe_error` is what the probe of `web` returns."""

    def __init__(self, **fields: object) -> None:
        self.clock = FakeClock()
        self.engine = InMemoryEngine(self.clock)
        self.add("web", **fields)
        self.probe_error = ""
        self.verifier = Verifier(
            self.engine, self.engine, self.clock, ResponderSettings(), 4 << 30, lambda *_: self.probe_error
        )

    def add(self, name: str, **fields: object) -> None:
        spec = {"name": name, "image": "x", "command": ("x",), "labels": {}}
        self.engine.run(ContainerSpec(**{**spec, **fields}))

    def alert(self, kind: Kind, *facts: Evidence) -> HealthAlert:
        ref = self.engine.inspect("web").ref
        return alert(kind=kind, container=ref, since=self.clock.now(), evidence=facts)


@pytest.mark.parametrize(
    ("size", "outcome", "detail"),
    [
        (100 * MIB - 1, Outcome.HEALED, ""),
        (100 * MIB, Outcome.FAILED, "it still uses 100.0 MiB"),
        (101 * MIB, Outcome.FAILED, "it still uses 101.0 MiB"),
    ],
)
def test_disk_use_of_a_container_must_be_below_its_threshold(size, outcome, detail):
    scene = Scene()
    scene.engine.writable_size = lambda _: size
    end = scene.verifier.verify(scene.alert(Kind.DISK_HIGH, Evidence("threshold", float(100 * MIB), "B")))
    assert end.outcome is outcome
    assert detail in end.detail


def test_symptom_that_cannot_be_measured_is_not_gone():
    scene = Scene()
    told = scene.alert(Kind.CPU_HIGH, Evidence("cpu", 99.0, "%"), Evidence("threshold", 85.0, "%"))
    assert scene.verifier.has_passed(told, scene.engine.inspect("web"))
    assert not scene.verifier.has_passed(scene.alert(Kind.EXITED), scene.engine.inspect("web"))
    scene.engine.sample = lambda *_: []
    assert not scene.verifier.has_passed(told, scene.engine.inspect("web"))
    end = scene.verifier.verify(told)
    assert (end.outcome, end.detail) == (Outcome.FAILED, "its CPU and memory cannot be measured")


@pytest.mark.parametrize(("error", "outcome"), [("", Outcome.HEALED), ("refused", Outcome.FAILED)])
def test_failed_probe_must_pass(error, outcome):
    scene = Scene(labels={"hemostat.probe": "tcp://:80"}, network="host")
    scene.probe_error = error
    end = scene.verifier.verify(scene.alert(Kind.HUNG))
    assert end.outcome is outcome
    assert end.detail == (f"its probe still fails: {error}" if error else "")
    assert scene.verifier.verify(scene.alert(Kind.EXITED)).outcome is Outcome.HEALED


def test_probe_of_containers_that_share_each_others_network_fails():
    scene = Scene(labels={"hemostat.probe": "tcp://:80"}, network="container:a")
    inspect = scene.engine.inspect
    loop = {
        name: ContainerInfo(
            ref=Container(id=name, name=name), status="running", network_mode=f"container:{other}"
        )
        for name, other in (("a", "b"), ("b", "a"))
    }
    scene.engine.inspect = lambda name: loop.get(name) or inspect(name)
    assert NOT_PROBED in scene.verifier.verify(scene.alert(Kind.HUNG)).detail


def test_own_healthcheck_has_longer_after_a_restart():
    scene = Scene()
    info = ContainerInfo(
        ref=Container(id="w", name="web"),
        status="running",
        health="starting",
        check=HealthCheck(interval=600.0, timeout=10.0, start_period=0.0, retries=3),
    )
    after_restart = scene.verifier.compute_max_seconds(alert(), info)
    assert after_restart == scene.verifier.compute_max_seconds(alert(), info, restarted=True)
    otherwise = scene.verifier.compute_max_seconds(alert(), info, restarted=False)
    assert otherwise == MAX_WAIT_SECONDS + ResponderSettings().verify_timeout
    assert after_restart > otherwise


def test_clock_set_back_begins_the_verification_again():
    scene, steps = Scene(), []

    def set_back(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 2:
            scene.clock.advance(-3600)

    box = scene.engine._boxes[scene.engine.inspect("web").ref.id]
    box.status = "created"
    scene.clock.on_sleep = set_back
    assert scene.verifier.verify(scene.alert(Kind.EXITED)).outcome is Outcome.FAILED
    assert sum(steps) >= ResponderSettings().verify_timeout
