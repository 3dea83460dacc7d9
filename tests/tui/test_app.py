"""The dashboard under a pilot, on a bus in memory."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from textual.filter import NoColor

from hemostat import tui
from hemostat.adapters.memory_bus import MemoryBus
from hemostat.errors import BusUnreachableError
from hemostat.events import Container, Event
from hemostat.tui.app import Dashboard
from hemostat.tui.model import Model
from tests.clock import FakeClock
from tests.samples import NOW, alert, complete, event, heartbeat, stats

DB = Container(id="c2", name="db")
Play = Callable[[Dashboard, object], Awaitable[None]]


def play(
    script: Play,
    bus: MemoryBus | None = None,
    *,
    clock: FakeClock | None = None,
    size: tuple[int, int] = (80, 24),
    **options,
) -> None:
    clock = clock or FakeClock(NOW + 5)
    bus = filled(clock) if bus is None else bus

    async def run() -> None:
        app = Dashboard(Model(bus, clock), **options)
        async with app.run_test(size=size) as pilot:
            await script(app, pilot)

    asyncio.run(run())


def filled(clock: FakeClock) -> MemoryBus:
    bus = MemoryBus(clock)
    bus.publish([event(alert()), event(complete(), 3.0)])
    sick = alert(container=DB)
    bus.publish([event(sick, 4.0, incident="i2")])
    bus.show([event(stats(), 5.0), event(stats(container=DB), 5.0)], ttl=60)
    bus.show([event(heartbeat(role), 5.0) for role in ("monitor", "analyzer", "responder", "alert")], ttl=60)
    return bus


def screen(app: Dashboard) -> list[str]:
    return [
        "".join(segment.text for segment in strip).rstrip()
        for strip in app.screen._compositor.render_strips()
    ]


async def until(pilot, condition: Callable[[], object]) -> None:
    for _ in range(1500):
        if condition():
            return
        await pilot.pause(0.02)
    pytest.fail("did not happen:\n" + "\n".join(screen(pilot.app)))


def says(app: Dashboard, text: str) -> bool:
    return any(text in line for line in screen(app))


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 60), (60, 16)])
def test_containers_faults_first_and_the_log_are_shown(size):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed") and says(app, "✓ healthy"))
        lines = screen(app)
        rows = [line for line in lines if "✓ healthy" in line]
        assert ["db" in rows[0], "web" in rows[1]] == [True, True]
        assert says(app, "1 open incident")
        assert says(app, "✓ responder")
        assert all(len(line) <= size[0] for line in lines)

    play(script, size=size)


def test_what_happens_is_shown_as_it_happens():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        bus.publish([event(complete(container=DB), 4.9, incident="i2")])
        await until(pilot, lambda: clock.advance(0.3) and says(app, "no open incident"))

    play(script, bus, clock=clock)


def test_a_silent_bus_is_told_with_what_to_do():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        clock.advance(12)
        await until(pilot, lambda: says(app, "bus silent for 12 s. Is anything running?"))
        assert says(app, "hemostat all")

    play(script, MemoryBus(clock), clock=clock)


class Flaky(MemoryBus):
    """A bus that is lost at first."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.there = False

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        if not self.there:
            raise BusUnreachableError("Redis is gone")
        return super().subscribe(streams, timeout=timeout)


def test_a_lost_bus_is_told_and_found_again():
    clock = FakeClock(NOW + 5)
    bus = Flaky(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "bus lost, retrying: Redis is gone"))
        bus.there = True
        bus.publish([event(alert(), 5.0)])
        await until(pilot, lambda: says(app, "exit code") and not says(app, "bus lost"))

    play(script, bus, clock=clock)


def test_the_filter_hides_and_says_so_and_escape_ends_it():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("slash", *"web", "enter")
        await until(pilot, lambda: says(app, "[filter web]"))
        assert not any("healthy" in line and "db" in line for line in screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: any("healthy" in line and "db" in line for line in screen(app)))

    play(script)


def test_faults_only():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("f")
        await until(pilot, lambda: says(app, "[faults only]"))
        assert not any("healthy" in line and "web" in line for line in screen(app))

    play(script)


def test_l_shows_the_log_of_the_chosen_container_alone():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        await pilot.press("j", "j", "l")
        await until(pilot, lambda: says(app, "remediation log of web"))
        assert says(app, "restart healed")
        await pilot.press("k")
        await until(pilot, lambda: says(app, "remediation log of db"))
        assert not says(app, "restart healed")

    play(script)


def test_enter_looks_at_a_container_and_escape_comes_back():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        await pilot.press("j", "enter")
        await until(pilot, lambda: says(app, "h/db") and not says(app, "restart healed"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "remediation log") and says(app, "restart healed"))

    play(script)


def test_i_opens_the_latest_incident_of_the_container():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        await pilot.press("j", "j", "i")
        await until(pilot, lambda: says(app, "web: exited, healed"))

    play(script)


def test_help_lists_the_keys():
    async def script(app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "only containers with a fault"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "remediation log"))

    play(script)


@pytest.mark.parametrize("keys", [["q"], ["ctrl+c"], ["question_mark", "ctrl+c"], ["slash", "ctrl+c"]])
def test_it_quits_from_everywhere_and_leaves_the_bus_alone(keys):
    """Whoever opened the bus closes it next: nothing may be listening any more."""

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        await pilot.press(*keys)
        await until(pilot, lambda: not app.is_running)

    play(script)
    assert not [thread for thread in threading.enumerate() if thread.name == "feed"]


def test_news_while_the_screen_is_taken_apart_do_no_harm(monkeypatch):
    monkeypatch.setattr("hemostat.tui.app.TICK", 0.001)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))

    for _ in range(8):
        play(script)


def crowded(clock: FakeClock) -> MemoryBus:
    bus = MemoryBus(clock)
    bus.publish([event(alert(since=NOW + number), number / 100) for number in range(80)])
    return bus


def test_the_log_keeps_its_end_in_sight_when_the_terminal_shrinks():
    clock = FakeClock(NOW + 5)
    bus = crowded(clock)
    bus.publish([event(complete(), 4.0)])

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        await pilot.resize_terminal(80, 18)
        await until(pilot, lambda: app.size.height == 18 and says(app, "restart healed"))

    play(script, bus, clock=clock, size=(80, 40))


def test_who_scrolled_the_log_back_is_left_there():
    clock = FakeClock(NOW + 5)
    bus = crowded(clock)

    async def script(app, pilot):
        log = app.screen.query_one("#log")
        await until(pilot, lambda: log.max_scroll_y and log.scroll_offset.y == log.max_scroll_y)
        log.scroll_to(y=3, animate=False)
        await until(pilot, lambda: log.scroll_offset.y == 3)
        bus.publish([event(complete(), 4.0)])
        await until(pilot, lambda: clock.advance(0.3) and log.virtual_size.height == 81)
        await pilot.pause(0.1)
        assert log.scroll_offset.y == 3
        log.scroll_end(animate=False)
        await until(pilot, lambda: says(app, "restart healed"))
        bus.publish([event(complete(container=DB), 4.5)])
        await until(
            pilot,
            lambda: clock.advance(0.3) and log.scroll_offset.y == log.max_scroll_y == 82 - log.size.height,
        )

    play(script, bus, clock=clock)


def test_a_flood_leaves_it_responsive_and_bounded():
    clock = FakeClock(NOW + 5)
    bus = MemoryBus(clock)

    async def script(app, pilot):
        for start in range(0, 5000, 500):
            bus.publish([event(alert(since=NOW + n), n / 1000) for n in range(start, start + 500)])
        bus.publish([event(complete(), 5.0)])
        await until(pilot, lambda: clock.advance(0.3) and says(app, "restart healed"))
        assert len(app.model.state.log) == 500
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "Keys"))

    play(script, bus, clock=clock)


def test_without_colour_nothing_is_coloured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restart healed"))
        assert any(isinstance(each, NoColor) for each in app._filters)

    play(script, colourless=True)


@pytest.mark.parametrize(
    ("environ", "is_tty", "why"),
    [
        ({"TERM": "xterm-256color"}, True, None),
        ({"TERM": "xterm"}, False, "needs a terminal"),
        ({"TERM": "dumb"}, True, "TERM is dumb"),
        ({}, True, "TERM is unset"),
    ],
)
def test_where_there_can_be_no_dashboard(environ, is_tty, why):
    told = tui.unsuitable(environ, is_tty)
    assert (told is None) if why is None else why in told
