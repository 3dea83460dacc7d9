"""Whether an action helped, whatever the clocks do."""

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.responder.verifier import Verifier
from hemostat.app import UnknownHost
from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Container, Evidence, Kind, Outcome
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock
from tests.support.samples import alert


class Site:
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
    ward = Site()
    ward.clock.advance(-3600)
    assert ward.outcome() is Outcome.HEALED
    assert ward.clock.now() < ward.began - 3600 + ResponderSettings().verify_timeout


def test_clock_set_back_does_not_prolong_verification():
    ward, steps = Site(), []

    def set_back(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 3:  # it has been well for a while
            ward.clock.advance(-3600)

    ward.clock.on_sleep = set_back
    assert ward.outcome() is Outcome.HEALED
    assert sum(steps) < ResponderSettings().verify_timeout


def test_probe_in_a_shared_network_targets_the_owners_address():
    addresses: list[str] = []

    def answer(_target: object, route: ProbeRoute, _seconds: float) -> str:
        addresses.append(route.address)
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
    ward = Site()
    ward.clock.on_sleep = lambda _: ward.engine.stop("web")
    assert ward.verifier.verify_stopped("web").outcome is Outcome.HEALED


def test_container_that_does_not_stop_in_time_is_a_failure():
    ward = Site()
    assert ward.verifier.verify_stopped("web").outcome is Outcome.FAILED
    assert ward.clock.now() - ward.began >= ResponderSettings().verify_timeout


def test_probe_of_a_container_without_an_address_is_not_passed():
    clock = FakeClock()
    engine = InMemoryEngine(clock)
    labels = {"hemostat.probe": "tcp://:80"}
    engine.run(ContainerSpec(name="web", image="x", command=("x",), labels=labels, network="none"))
    alarm = alert(kind=Kind.HUNG, container=engine.inspect("web").ref, since=clock.now())
    verifier = Verifier(engine, engine, clock, ResponderSettings(), 4 << 30, UnknownHost().probe)
    end = verifier.verify(alarm)
    assert (end.outcome, end.detail) == (Outcome.FAILED, "its probe still fails: it has no IP address")


@pytest.mark.parametrize(("kind", "samples"), [(Kind.EXITED, 0), (Kind.UNHEALTHY, 0), (Kind.CPU_HIGH, 2)])
def test_container_is_sampled_only_for_measured_symptoms(monkeypatch, kind, samples):
    ward, times = Site(), []
    monkeypatch.setattr(ward.engine, "sample", lambda _, now: times.append(now) or [])
    ward.verifier.verify(alert(kind=kind, container=ward.engine.inspect("web").ref, since=ward.began))
    assert len(times) == samples


# --- how long a verification lasts ------------------------------------------------------------------


def make_verifier(**limits) -> tuple[Site, Verifier]:
    site = Site()
    settings = ResponderSettings(**{"verify_for": 3.0, "verify_timeout": 20.0, **limits})
    return site, Verifier(site.engine, site.engine, site.clock, settings, 4 << 30)


def verify(site: Site, verifier: Verifier, kind: Kind = Kind.EXITED, **fields):
    """The end of a verification, and how many seconds it took."""
    alarm = alert(kind=kind, container=site.engine.inspect("web").ref, since=site.began)
    end = verifier.verify(alarm, **fields)
    return end, site.clock.now() - site.began


def set_status(site: Site, status: str, health: str | None = None) -> None:
    box = site.engine._boxes[site.engine.inspect("web").ref.id]
    box.status, box.health = status, health


def test_container_must_be_well_for_the_whole_time():
    end, seconds = verify(*make_verifier())
    assert end.outcome is Outcome.HEALED
    assert seconds == pytest.approx(3.0, abs=0.6)
    assert seconds >= 3.0


def test_container_that_never_starts_fails_at_the_timeout():
    site, verifier = make_verifier()
    set_status(site, "created")
    end, seconds = verify(site, verifier)
    assert (end.outcome, seconds >= 20.0, seconds < 21.0) == (Outcome.FAILED, True, True)


def test_container_that_starts_for_long_is_left_to_wait():
    site, verifier = make_verifier()
    set_status(site, "created")
    end, seconds = verify(site, verifier, within=5.0)
    assert end.outcome is Outcome.WAITING
    assert 5.0 <= seconds < 6.0


def test_time_of_a_verification_counts_from_the_action():
    site, verifier = make_verifier()
    set_status(site, "created")
    _, seconds = verify(site, verifier, since=site.began - 15.0)
    assert 5.0 <= seconds < 6.0


def test_stopped_container_is_verified_by_its_status():
    site, verifier = make_verifier()
    begin = site.clock.now()
    end = verifier.verify_stopped("web")
    assert (end.outcome, end.detail) == (Outcome.FAILED, "it is running")
    assert site.clock.now() - begin == pytest.approx(20.0, abs=0.6)
    set_status(site, "exited")
    begin = site.clock.now()
    assert verifier.verify_stopped("web").outcome is Outcome.HEALED
    assert site.clock.now() == begin


def test_startup_of_a_probed_container_has_its_start_period():
    site, verifier = make_verifier()
    info = site.engine.inspect("web")
    plain = verifier.compute_max_seconds(alert(), None)
    assert plain == 20.0
    assert verifier.compute_max_seconds(alert(kind=Kind.HUNG), info) == 80.0
    labels = {"hemostat.probe.start_period": "90s"}
    labelled = alert(kind=Kind.HUNG, container=Container(id="c", name="c", labels=labels))
    assert verifier.compute_max_seconds(labelled, None) == 110.0


def test_disk_of_the_host_is_verified_by_the_freed_bytes():
    site, verifier = make_verifier()
    facts = (Evidence("disk", 95.0, "%"), Evidence("threshold", 90.0, "%"), Evidence("disk_free", 50, "B"))
    full = alert(kind=Kind.DISK_HIGH, container=Container(id="", name="h"), evidence=facts)
    assert verifier.verify(full, 1000).outcome is Outcome.HEALED
    assert verifier.verify(full, 1).outcome is not Outcome.HEALED
    assert verifier.verify(full, None).outcome is not Outcome.HEALED
    assert site.clock.now() == site.began
