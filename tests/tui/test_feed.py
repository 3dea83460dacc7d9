"""The thread that listens."""

from collections.abc import Iterator, Sequence

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.errors import BusError, BusUnreachableError
from hemostat.events import Container, Event
from hemostat.tui.data.feed import DELIVER_SECONDS, Feed
from hemostat.tui.data.state import MAX_LOG_EVENTS, TRAIL_SECONDS, FeedUpdate
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, event, heartbeat, stats

BOXES = [Container(id=str(number), name=f"web-{number}") for number in range(50)]


class Flood(InMemoryBus):
    """5,000 messages within a second; then it is over."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.clock = clock

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        yield None
        for number in range(5000):
            self.clock.advance(1 / 5000)
            box = BOXES[number % len(BOXES)]
            yield event(stats(container=box, cpu=float(number)) if number % 2 else alert(since=NOW + number))
        self.clock.advance(DELIVER_SECONDS)
        yield event(heartbeat(), 2.0)
        raise OverError


class OverError(Exception):
    """The test is."""


def told(bus: InMemoryBus, clock: FakeClock, **options) -> list[FeedUpdate]:
    came: list[FeedUpdate] = []
    feed = Feed(bus, clock, came.append, **options)
    try:
        feed._run()
    except OverError:
        return came
    raise AssertionError


def test_flood_is_bounded_and_delivered_in_batches():
    clock = FakeClock(NOW)
    came = told(Flood(clock), clock)
    assert len(came) <= 2 + 1 / DELIVER_SECONDS
    assert max(len(news.events) for news in came) <= MAX_LOG_EVENTS + len(BOXES) + 1
    last = {
        each.data.container.name: each.data.cpu
        for news in came
        for each in news.events
        if each.type == "container_stats"
    }
    assert last["web-49"] == 4999.0


class Round(Flood):
    """What a monitor publishes in one second; an alert among it if `alerted`."""

    def __init__(self, clock: FakeClock, *, alerted: bool = False) -> None:
        super().__init__(clock)
        self.alerted = alerted

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        yield None
        self.clock.advance(1.0)
        for number, box in enumerate(BOXES):
            self.clock.advance(0.001)
            if self.alerted and number == 10:
                yield event(alert())
            yield event(stats(container=box))
        self.clock.advance(timeout)
        yield None
        raise OverError


def test_statistics_of_one_round_are_delivered_together():
    clock = FakeClock(NOW)
    assert [len(news.events) for news in told(Round(clock), clock)] == [0, len(BOXES)]


def test_alert_is_delivered_at_once():
    clock = FakeClock(NOW)
    counts = [len(news.events) for news in told(Round(clock, alerted=True), clock)]
    assert counts == [0, 11, len(BOXES) - 10]


def test_slow_profile_delivers_less_often():
    slow, fast = FakeClock(NOW), FakeClock(NOW)
    assert len(told(Flood(slow), slow, every=1.0)) < len(told(Flood(fast), fast))


class Lost(Flood):
    """The connection breaks once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.broken = False

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        if not self.broken:
            self.broken = True
            raise BusUnreachableError("Redis is gone")
        return super().subscribe(streams, timeout=timeout)


def test_lost_bus_is_reported_and_subscribed_again(monkeypatch):
    monkeypatch.setattr("hemostat.tui.data.feed.RETRY_SECONDS", 0.0)
    clock = FakeClock(NOW)
    came = told(Lost(clock), clock)
    assert came[0] == FeedUpdate(lost="Redis is gone")
    assert came[1].lost == ""


def test_limits_of_known_hosts_are_polled():
    clock, asked = FakeClock(NOW), []
    came = told(Flood(clock), clock, safety=asked.append)
    assert set(asked) == {"h"}
    assert len(asked) < len(came)


def test_limits_may_be_forbidden_to_viewers():
    def refused(_: str) -> None:
        raise BusError("no right to read it")

    clock = FakeClock(NOW)
    came = told(Flood(clock), clock, safety=refused)
    assert {news.lost for news in came} == {""}
    assert any(news.events for news in came)


class Kept(Flood):
    """What is kept of containers may be read by those who may."""

    def __init__(self, clock: FakeClock, *, refused: bool) -> None:
        super().__init__(clock)
        self.refused = refused

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        if self.refused:
            raise BusError("no right to read it")
        return [MetricPoint(NOW, 1.0, count)]


@pytest.mark.parametrize(("refused", "found"), [(False, [MetricPoint(NOW, 1.0, TRAIL_SECONDS)]), (True, ())])
def test_history_is_loaded_for_requested_containers(refused, found):
    clock, came = FakeClock(NOW), []
    feed = Feed(Kept(clock, refused=refused), clock, came.append)
    feed.request_history({"h/web-7": ("h", "web-7")})
    with pytest.raises(OverError):
        feed._run()
    assert [news.past for news in came if news.past] == [{"h/web-7": found}]
    assert {news.lost for news in came} == {""}
