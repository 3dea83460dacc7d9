"""The dashboard under a pilot, on an in-memory bus."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.events import Container
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from tests.support.clock import FakeClock
from tests.support.samples import (
    NOW,
    alert,
    complete,
    event,
    heartbeat,
    stats,
)

DB = Container(id="c2", name="db")
Play = Callable[[Dashboard, object], Awaitable[None]]


def play(
    script: Play,
    bus: InMemoryBus | None = None,
    *,
    clock: FakeClock | None = None,
    size: tuple[int, int] = (80, 24),
    colourless: bool = False,
    **options,
) -> None:
    clock = clock or FakeClock(NOW + 5)
    bus = filled(clock) if bus is None else bus

    async def run() -> None:
        app = Dashboard(DashboardContext(bus, clock, **options), colourless=colourless)
        async with app.run_test(size=size, notifications=True) as pilot:
            await script(app, pilot)

    asyncio.run(run())


def filled(clock: FakeClock, kind: type[InMemoryBus] = InMemoryBus) -> InMemoryBus:
    bus = kind(clock)
    bus.publish([event(alert()), event(complete(), 3.0)])
    sick = alert(container=DB)
    bus.publish([event(sick, 4.0, incident="i2")])
    bus.publish_live([event(stats(), 5.0), event(stats(container=DB), 5.0)], ttl=60)
    bus.publish_live(
        [event(heartbeat(role), 5.0) for role in ("monitor", "analyzer", "responder", "alert")], ttl=60
    )
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


HOSTILE = [
    "\x1b[2J\x1b[31mred",
    "[bold red]x[/]",
    "容器" * 60,
    "n" * 200,
    "two\nlines",
    "\u202eright-to-left",
    "\u26a0\ufe0f",
    "",
]
