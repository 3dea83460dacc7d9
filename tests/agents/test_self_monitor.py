"""HemoStat monitors itself: missing parts are notified, and an external service gets pings while all is
well."""

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.agents.notifier.self_monitor import STALE_SECONDS, SelfMonitor
from hemostat.core.notify.notification import Notification
from hemostat.core.notify.self_monitoring import LOST_DATA_PREFIX, SelfMonitoringState
from hemostat.errors import BusError, BusUnreachableError, NotifyError
from hemostat.ports import Entry, Interrupted
from tests.support.clock import FakeClock
from tests.support.samples import NOW, event, heartbeat

ROLES = ("monitor", "alert")


class Cut(InMemoryBus):
    cut = False

    def read_last_values(self, stream):
        if self.cut:
            raise BusUnreachableError("Redis cannot be reached")
        return super().read_last_values(stream)


class Ear:
    """Somebody outside."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.deaf = False

    def ping_success(self) -> None:
        self._hear("well")

    def ping_start(self) -> None:
        self._hear("start")

    def ping_failure(self, why: str) -> None:
        self._hear(why)

    def _hear(self, what: str) -> None:
        if self.deaf:
            raise NotifyError("the heartbeat URL answered 500")
        self.heard.append(what)


class House:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.bus = Cut(self.clock)
        self.told: list[str] = []
        self.causes: list[str] = []
        self.ear = Ear()
        self.living = ROLES
        self.refusal = ""
        self.trouble = ""
        self.watchman = SelfMonitor(
            self.bus,
            self.clock,
            self.hear,
            roles=ROLES,
            host="h",
            after=60.0,
            refusal=lambda: self.refusal,
        )

    def hear(self, word: Notification) -> None:
        self.told.append(f"{word.container} {word.topic}")
        self.causes += [word.cause] if word.cause else []

    def later(self, seconds: float) -> list[str]:
        """Time passes, in which those that live have beaten."""
        for _ in range(int(seconds / 2)):
            self.clock.advance(2.0)
            trouble = {"responder": self.trouble}
            beats = [heartbeat(role, trouble=trouble.get(role, "")) for role in self.living]
            self.bus.publish_live(list(map(event, beats)), ttl=6.0)
            self.watchman.check()
        return self.told


@pytest.fixture
def house() -> House:
    return House()


def test_lost_role_and_its_return_are_notified(house):
    house.later(10)
    house.living = ("alert",)
    assert house.later(60) == []
    assert house.later(20) == ["monitor gone"]
    house.living = ROLES
    assert house.later(2) == ["monitor gone", "monitor back"]


def test_lost_bus_is_notified_instead_of_the_roles(house):
    house.later(10)
    house.bus.cut = True
    assert house.later(120) == ["Redis gone"]
    house.bus.cut = False
    assert house.later(2) == ["Redis gone", "Redis back"]


def test_read_only_redis_is_notified_instead_of_the_roles(house):
    """Heartbeats can be read there and not be renewed: all of them expire."""
    house.later(10)
    house.living, house.refusal = (), "Redis at h is a read-only replica of m:1"
    assert house.later(120) == ["Redis gone"]
    assert house.causes == [house.refusal]
    house.living, house.refusal = ROLES, ""
    assert house.later(30) == ["Redis gone", "Redis back"]


def test_lost_ledger_is_notified_once(house):
    house.later(10)
    house.living = (*ROLES, "responder")
    house.trouble = f"{LOST_DATA_PREFIX}; it was written back"
    assert house.later(120) == ["data in Redis of h gone"]


def test_health_ping_is_sent_only_while_healthy(house):
    house.later(10)
    house.watchman.ping(house.ear)
    assert house.ear.heard == ["well"]
    house.living = ("alert",)
    house.later(30)
    house.watchman.ping(house.ear)
    assert house.ear.heard == ["well"]
    house.later(60)
    house.watchman.ping(house.ear)
    assert house.ear.heard == ["well", "no monitor is running"]


def test_health_ping_needs_a_recent_check(house):
    house.watchman.ping(house.ear)
    house.later(10)
    house.clock.advance(STALE_SECONDS)
    house.watchman.ping(house.ear)
    assert house.ear.heard == []


def test_unreachable_ping_service_does_not_block(house):
    house.later(10)
    house.ear.deaf = True
    house.watchman.ping(house.ear)
    house.ear.deaf = False
    house.watchman.ping(house.ear)
    assert house.ear.heard == ["well"]


def bury(house: House, error: str = "poison") -> None:
    entry = Entry(stream="health_alert", id="1-0", raw=b"x", event=None)
    house.bus.move_to_dead_letters("analyzer", entry, error, house.clock.now())


def test_dead_letters_are_notified_at_once_then_hourly(house):
    assert house.later(10) == []
    bury(house, "ValueError: password=hunter2")
    assert house.later(2) == ["the dead-letter stream gone"]
    for _ in range(500):
        bury(house)
    assert house.later(3500) == ["the dead-letter stream gone"]
    assert house.later(200) == ["the dead-letter stream gone"] * 2
    assert house.later(7200) == ["the dead-letter stream gone"] * 2


def test_old_dead_letters_are_not_notified(house):
    bury(house)
    house.clock.advance(100_000)
    assert house.later(10) == []


def test_missing_right_on_dead_letters_is_tolerated(house, monkeypatch):
    def refuse() -> None:
        raise BusError("the user hemostat-alert may not run xrevrange")

    monkeypatch.setattr(house.bus, "read_last_dead_letter", refuse)
    house.living = ("alert",)
    assert house.later(100) == ["monitor gone"]


def test_an_error_ends_neither_the_checks_nor_the_pings(house, monkeypatch):
    calls = []

    def fail(*_: object) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise Interrupted
        raise RecursionError

    monkeypatch.setattr(house.bus, "read_last_values", fail)
    house.watchman.run()
    assert len(calls) == 4
    calls.clear()
    monkeypatch.setattr(house.ear, "ping_start", fail)
    house.watchman._state = SelfMonitoringState(ill={"x": (0.0, "x")}, told=frozenset({"x"}))
    monkeypatch.setattr(house.ear, "ping_failure", fail)
    house.watchman.run_pings(house.ear, 1.0)
    assert len(calls) == 4
