"""A recording in the place of the bus: what is heard, and the dashboard on it under a pilot."""

from collections.abc import Iterator

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.events import DURABLE, TYPES, Event
from hemostat.ports import Listener
from hemostat.tui.data.replay import ReplayBus, ReplayClock
from tests.support.clock import FakeClock
from tests.support.dashboard import says, screen, until
from tests.support.dashboard_replay import afternoon, play_replay
from tests.support.replays import make_replay
from tests.support.samples import ALL, NOW, alert, complete, event

# --- what is heard -----------------------------------------------------------------------------------


def of_memory(events: list[Event]) -> Listener:
    bus = InMemoryBus(FakeClock(NOW + 10))
    bus.publish([each for each in events if each.type in DURABLE])
    bus.publish_live([each for each in events if each.type not in DURABLE], ttl=60)
    return bus


def of_recording(events: list[Event]) -> Listener:
    clock = ReplayClock(make_replay(*events), FakeClock(), "test")
    clock.step(10)
    return ReplayBus(clock)


@pytest.fixture(params=[of_memory, of_recording])
def listener(request):
    """A bus on which everything was said that the samples tell of, some seconds ago."""
    return request.param(list(ALL))


def test_replay_bus_behaves_like_a_bus(listener):
    for name in TYPES:
        said = [each for each in ALL if each.type == name]
        assert (
            listener.read_recent(name, 10) if name in DURABLE else listener.read_last_values(name)
        ) == said
    assert [point.cpu for point in listener.read_metrics("h", "web")] == [12.5]
    assert listener.read_metrics("h", "db") == []
    assert next(iter(listener.subscribe(tuple(TYPES), timeout=0.01))) is None


class Ear:
    """One who listens in a thread, as the dashboard's feed does."""

    def __init__(self, clock: ReplayClock, wall: FakeClock) -> None:
        self._wall = wall
        self._words: Iterator[Event | None] = ReplayBus(clock).subscribe(tuple(DURABLE), timeout=0.001)
        next(self._words)

    def hear(self, seconds: float) -> list[float]:
        """When, in seconds after NOW, what was said that is heard within `seconds`; up to the silence."""
        self._wall.advance(seconds)
        heard = []
        while (each := next(self._words)) is not None:
            heard.append(each.time - NOW)
        return heard


def listening() -> tuple[ReplayClock, Ear]:
    wall = FakeClock()
    clock = ReplayClock(afternoon(), wall, "test")
    return clock, Ear(clock, wall)


def test_clock_follows_the_replay():
    clock, ear = listening()
    clock.change_speed(5)
    assert clock.now() == NOW
    assert ear.hear(0.5) == []
    assert clock.now() == NOW + 16
    assert ear.hear(0.25) == [20.0, 23.0]
    assert clock.now() == NOW + 24


def test_clock_stops_on_pause_and_at_the_end():
    clock, ear = listening()
    clock.toggle_pause()
    ear.hear(1.0)
    assert clock.now() == NOW
    clock.toggle_pause()
    clock.change_speed(5)
    assert [ear.hear(1.0) for _ in range(5)][-1] == []
    assert clock.now() == NOW + 120


def test_suspended_computer_does_not_skip_the_replay():
    clock, ear = listening()
    ear.hear(3600.0)
    assert clock.now() == NOW + 1


def test_jump_resubscribes_without_duplicates():
    clock, ear = listening()
    clock.step(30)
    with pytest.raises(StopIteration):
        ear.hear(0.1)
    assert [each.time - NOW for each in ReplayBus(clock).read_recent("remediation_complete", 9)] == [23.0]


def test_pause_key_at_the_end_restarts_the_replay():
    clock, _ = listening()
    clock.step(999)
    clock.toggle_pause()
    assert (clock.now(), clock.playback_position.paused) == (NOW, False)


# --- the dashboard -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (200, 60)])
def test_every_screen_is_marked_as_a_replay(size):
    async def script(app, pilot, _):
        await until(pilot, lambda: says(app, "✓ healthy"))
        for keys in ((), ("j", "enter"), ("escape", "greater_than_sign", "i")):
            await pilot.press(*keys)
            await until(pilot, lambda: " REPLAY  afternoon.gz" in screen(app)[0])
        assert all(len(line) <= size[0] for line in screen(app))

    play_replay(script, size=size)


def test_replay_shows_events_in_time():
    async def script(app, pilot, wall):
        await until(pilot, lambda: says(app, "no open incident") and says(app, "✓ responder"))
        assert not says(app, "exited with code")
        await until(pilot, lambda: wall.advance(0.5) and says(app, "1 open incident"))
        await until(pilot, lambda: wall.advance(0.5) and says(app, "restarted, healed"))
        await until(pilot, lambda: says(app, "no open incident"))

    play_replay(script)


def test_rewind_removes_later_events():
    async def script(app, pilot, _):
        await pilot.press("greater_than_sign", "greater_than_sign", *["full_stop"] * 2)
        await until(pilot, lambda: says(app, "1 open incident") and says(app, "restarted, healed"))
        await pilot.press("less_than_sign", "less_than_sign")
        await until(pilot, lambda: says(app, "no open incident") and not says(app, "restarted, healed"))
        await until(pilot, lambda: says(app, "0:17 of 2:00"))
        assert not says(app, "exited with code")

    play_replay(script)


def test_pause_and_speed_are_shown():
    async def script(app, pilot, wall):
        await until(pilot, lambda: says(app, "▶ 1x"))
        await pilot.press("plus", "plus", "0")
        await until(pilot, lambda: says(app, "‖ PAUSED 4x"))
        await pilot.press("0", *["plus"] * 4)
        await until(pilot, lambda: says(app, "▶ jump"))
        await until(pilot, lambda: wall.advance(0.1) and says(app, "0:17 of 2:00"))
        await pilot.press(*["full_stop"] * 12)
        await until(pilot, lambda: says(app, "■ END"))

    play_replay(script)


@pytest.mark.parametrize("speed", [0, 5])
def test_fast_playback_makes_no_role_stale(speed):
    """What is known and what time it is go together, at any speed."""

    async def script(app, pilot, wall):
        await until(pilot, lambda: says(app, "✓ responder"))
        await pilot.press(*["plus"] * speed)
        await until(pilot, lambda: wall.advance(0.25) and app.model.clock.now() > NOW + 40)
        await pilot.press("0")
        await until(pilot, lambda: says(app, "PAUSED"))
        await until(pilot, lambda: says(app, "✓ responder") and says(app, "✓ healthy"))
        assert not says(app, "silent for")

    play_replay(script)


def test_replay_keys_are_in_help_and_usable_in_the_filter():
    async def script(app, pilot, _):
        await until(pilot, lambda: says(app, "✓ healthy"))
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "start of the next incident"))
        await pilot.press("escape", "slash", "0", "minus")
        await until(pilot, lambda: says(app, "[filter 0-]"))
        assert says(app, "▶ 1x")

    play_replay(script, size=(100, 40))


def test_replay_of_streams_reports_no_missing_roles():
    """The past that the streams remember has no signs of life: no role is blamed for that."""

    async def script(app, pilot, _):
        await pilot.press("greater_than_sign", *["full_stop"])
        await until(pilot, lambda: says(app, "exited with code") and says(app, "no heartbeats were recorded"))
        assert not says(app, "missing")
        assert not says(app, "If HemoStat is not running")

    play_replay(script, make_replay(event(alert(), 20.0), event(complete(), 60.0)))


def test_omitted_events_are_reported():
    async def script(app, pilot, _):
        await until(pilot, lambda: says(app, "is truncated"))

    told = afternoon()
    told.notes = ("line 9, the last, is truncated and left out",)
    play_replay(script, told)
