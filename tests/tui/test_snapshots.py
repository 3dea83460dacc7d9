"""Whole screens, as text."""

import asyncio

import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.events import Container, Kind, State
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from tests.support.clock import FakeClock
from tests.support.dashboard import says, until
from tests.support.samples import NOW, alert, complete, event, heartbeat, needed, stats
from tests.tui.snapshots import compare, utc
from tests.tui.standing import host, standing

__all__ = ["utc"]

VIEWS: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "80x24": ((80, 24), ()),
    "80x24-projects": ((80, 24), ("p", "j", "space")),
    "80x24-help": ((80, 24), ("question_mark",)),
    "120x40": ((120, 40), ("j",)),
    "200x60": ((200, 60), ("s",)),
    "40x12": ((40, 12), ()),
    "40x12-help": ((40, 12), ("question_mark",)),
    "100x36-help": ((100, 36), ("question_mark",)),
}
"""By name: the size, and the keys pressed."""
SICK = State(status="running", health="unhealthy", restart_count=2)
SAFETY = {
    "shop-payments-1": standing(open_until=NOW + 257, used=2),
    "shop-worker-1": standing(used=3, until=NOW + 2475),
}


def box(service: str) -> Container:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
    return Container(id=service, name=f"shop-{service}-1", image=service, labels=labels)


def scene(clock: FakeClock) -> InMemoryBus:
    bus = InMemoryBus(clock)
    for service, incident, told in (
        ("api", "i1", (alert, needed, complete)),
        ("payments", "i2", (alert, needed)),
        ("worker", "i3", (alert,)),
    ):
        shape = {"container": box(service), "kind": Kind.UNHEALTHY if service == "payments" else Kind.EXITED}
        for second, make in enumerate(told):
            data = make(alert=alert(**shape)) if make is needed else make(**shape)
            bus.publish([event(data, float(second), incident=incident)])
    for second in range(6):
        boxes = [
            stats(container=box("payments"), cpu=2.1, state=SICK, memory_limit=256 << 20),
            stats(container=box("worker"), cpu=100.4, cpu_limit=1.0),
            stats(
                container=box("web"), cpu=10.0 * second, memory=(100 + second) << 20, memory_limit=128 << 20
            ),
            stats(container=Container(id="x", name="容器-⚠️"), cpu=None, memory=None),
        ]
        bus.publish_live([event(each, float(second)) for each in boxes], ttl=60)
    roles = ("monitor", "analyzer", "responder", "alert")
    beats = [heartbeat(role, mode="approve" if role == "responder" else "") for role in roles]
    bus.publish_live([event(each, 5.0) for each in beats], ttl=60)
    bus.publish_live([event(heartbeat("alert", lag=3, trouble="Slack does not answer"), 5.0)], ttl=60)
    return bus


async def look(view: str, snapshot: str, *, colourless: bool = False) -> None:
    size, keys = VIEWS[view]
    clock = FakeClock(NOW + 5)
    app = Dashboard(
        DashboardContext(scene(clock), clock, safety=lambda _: host(SAFETY)), colourless=colourless
    )
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: says(app, "shop-web-1") and says(app, "✓ monitor"))
        await pilot.press(*keys)
        await compare(pilot, snapshot)


@pytest.mark.parametrize("name", VIEWS)
def test_screen_matches_its_snapshot(name, utc):
    asyncio.run(look(name, name))


def test_text_is_the_same_without_colour(monkeypatch, utc):
    monkeypatch.setenv("NO_COLOR", "1")
    asyncio.run(look("80x24", "80x24", colourless=True))
