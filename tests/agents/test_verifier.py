"""Whether an action helped, whatever the clocks do."""

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.responder.verifier import Verifier
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Kind, Outcome
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock
from tests.support.samples import alert


class Ward:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = InMemoryEngine(self.clock)
        self.engine.run(ContainerSpec(name="web", image="x", command=("x",), labels={}))
        self.verifier = Verifier(self.engine, self.engine, self.clock, ResponderSettings(), 4 << 30)
        self.began = self.clock.now()

    def outcome(self) -> Outcome:
        told = alert(kind=Kind.CPU_HIGH, container=self.engine.inspect("web").ref, since=self.began)
        return self.verifier.verify(told).outcome


def test_container_started_by_a_faster_clock_can_be_verified():
    """Or one that was started before the clock was set back: its start is ahead of us, and no other start."""
    ward = Ward()
    ward.clock.advance(-3600)
    assert ward.outcome() is Outcome.HEALED
    assert ward.clock.now() < ward.began - 3600 + ResponderSettings().verify_timeout


def test_clock_set_back_does_not_prolong_verification():
    ward, steps = Ward(), []

    def set_back(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 3:  # it has been well for a while
            ward.clock.advance(-3600)

    ward.clock.on_sleep = set_back
    assert ward.outcome() is Outcome.HEALED
    assert sum(steps) < ResponderSettings().verify_timeout


def test_probe_in_a_shared_network_targets_the_owners_address():
    addresses: list[str] = []

    def answer(_target: object, address: str, _seconds: float) -> str:
        addresses.append(address)
        return ""

    clock = FakeClock()
    engine = InMemoryEngine(clock)
    engine.run(ContainerSpec(name="proxy", image="x", command=("x",), labels={}, network="host"))
    labels = {"hemostat.probe": "tcp://:80"}
    engine.run(ContainerSpec(name="web", image="x", command=("x",), labels=labels, network="container:proxy"))
    alarm = alert(kind=Kind.HUNG, container=engine.inspect("web").ref, since=clock.now())
    end = Verifier(engine, engine, clock, ResponderSettings(), 4 << 30, answer).verify(alarm)
    assert (end.outcome, set(addresses)) == (Outcome.HEALED, {"127.0.0.1"})


def test_container_that_takes_its_time_to_stop_is_waited_for():
    ward = Ward()
    ward.clock.on_sleep = lambda _: ward.engine.stop("web")
    assert ward.verifier.verify_stopped("web").outcome is Outcome.HEALED


def test_container_that_does_not_stop_in_time_is_a_failure():
    ward = Ward()
    assert ward.verifier.verify_stopped("web").outcome is Outcome.FAILED
    assert ward.clock.now() - ward.began >= ResponderSettings().verify_timeout


def test_probe_of_a_container_without_an_address_is_not_passed():
    clock, addresses = FakeClock(), []
    engine = InMemoryEngine(clock)
    labels = {"hemostat.probe": "tcp://:80"}
    engine.run(ContainerSpec(name="web", image="x", command=("x",), labels=labels, network="none"))
    alarm = alert(kind=Kind.HUNG, container=engine.inspect("web").ref, since=clock.now())
    verifier = Verifier(
        engine, engine, clock, ResponderSettings(), 4 << 30, lambda *asked: addresses.append(asked) or ""
    )
    assert (verifier.verify(alarm).outcome, addresses) == (Outcome.FAILED, [])


@pytest.mark.parametrize(("kind", "samples"), [(Kind.EXITED, 0), (Kind.UNHEALTHY, 0), (Kind.CPU_HIGH, 2)])
def test_container_is_sampled_only_for_measured_symptoms(monkeypatch, kind, samples):
    ward, times = Ward(), []
    monkeypatch.setattr(ward.engine, "sample", lambda _, now: times.append(now) or [])
    ward.verifier.verify(alert(kind=kind, container=ward.engine.inspect("web").ref, since=ward.began))
    assert len(times) == samples
