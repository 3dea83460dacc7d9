"""The dashboard under a pilot, on a replay."""

import asyncio
import threading

from hemostat.core.history.replay import Replay
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.replay import ReplayBus, ReplayClock
from hemostat.tui.replay_app import ReplayDashboard
from tests.support.clock import FakeClock
from tests.support.dashboard import DB
from tests.support.replays import make_replay
from tests.support.samples import alert, complete, event, heartbeat, stats

ROLES = ("monitor", "analyzer", "responder", "alert")


def afternoon() -> Replay:
    """Two minutes: web is healed in the first, and db is escalated in the second."""
    signs = [
        event(each, at)
        for at in range(0, 121, 2)
        for each in (stats(), stats(container=DB), *(heartbeat(role) for role in ROLES))
    ]
    told = [
        event(alert(), 20.0, incident="a"),
        event(complete(), 23.0, incident="a"),
        event(alert(container=DB), 80.0, incident="b"),
    ]
    return make_replay(*sorted([*signs, *told], key=lambda each: each.time))


def play_replay(script, recording: Replay | None = None, *, size=(100, 30)) -> None:
    wall = FakeClock()
    clock = ReplayClock(afternoon() if recording is None else recording, wall, "afternoon.gz")

    async def run() -> None:
        app = ReplayDashboard(DashboardContext(ReplayBus(clock), clock, replay=clock), clock)
        async with app.run_test(size=size, notifications=True) as pilot:
            await script(app, pilot, wall)

    asyncio.run(run())
    assert not [thread for thread in threading.enumerate() if thread.name == "feed"]
