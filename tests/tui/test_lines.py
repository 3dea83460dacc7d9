"""Only what changed is drawn again."""

import asyncio

import pytest
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.state import FeedUpdate, apply_update
from hemostat.tui.widgets.lines import Lines, find_changed
from tests.support.clock import FakeClock
from tests.support.dashboard import until
from tests.support.samples import NOW, alert, event, heartbeat, stats

RED = Style(color="red")


@pytest.mark.parametrize(
    ("before", "after", "span"),
    [
        (["web ", "1.0"], ["web ", "1.0"], None),
        (["web ", "1.0", " up"], ["web ", "2.0", " up"], (4, 5)),
        (["容器 ", "1.0"], ["容器 ", "2.0"], (5, 6)),
        (["容"], ["器"], (0, 2)),
        (["aabb"], ["aa", "cb"], (2, 3)),
        (["aaaa"], ["aa", "aa"], None),
        (["web "], ["we"], (0, 4)),
    ],
)
def test_changed_cells_are_found(before, after, span):
    assert find_changed([Segment(each) for each in before], [Segment(each) for each in after]) == span


def test_changed_style_is_a_difference():
    assert find_changed([Segment("a"), Segment("b")], [Segment("a"), Segment("b", RED)]) == (1, 2)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 79 + "…"),
        ("器" * 41, "器" * 39 + " …"),
        ("a" + "器" * 40, "a" + "器" * 39 + "…"),
    ],
)
def test_long_line_ends_with_a_mark(line, shown):
    clock = FakeClock(NOW + 5)

    async def run() -> None:
        app = Dashboard(DashboardContext(InMemoryBus(clock), clock))
        async with app.run_test(size=(80, 24)) as pilot:
            log = app.screen.query_one("#log", Lines)
            await until(pilot, lambda: log.size.width == 80)
            log.show([Text(line)])
            assert log.render_line(0).text.rstrip() == shown

    asyncio.run(run())


def test_only_changed_cells_are_drawn(monkeypatch):
    clock = FakeClock(NOW + 5)
    bus = InMemoryBus(clock)
    bus.publish_live([event(stats(), 5.0), event(heartbeat(), 5.0)], ttl=60)
    bus.publish([event(alert(), 4.0)])
    drawn: list[tuple[str | None, tuple[object, ...]]] = []

    async def run() -> None:
        app = Dashboard(DashboardContext(bus, clock))
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.model.state.log and app.model.state.stats)
            await pilot.pause(0.2)
            app._feed.stop()
            refresh = Widget.refresh

            def spy(widget: Widget, *regions, **options):
                drawn.append((widget.id, regions))
                return refresh(widget, *regions, **options)

            monkeypatch.setattr(Widget, "refresh", spy)
            clock.advance(0.5)
            app.screen.draw()
            assert drawn == []
            app.model.state = apply_update(
                app.model.state, FeedUpdate((event(stats(cpu=99.0), 5.5),)), clock.now()
            )
            app.screen.draw()
            ((where, (region,)),) = drawn
            assert where == "grid"
            assert region.height == 1
            assert region.width < 20

    asyncio.run(run())
