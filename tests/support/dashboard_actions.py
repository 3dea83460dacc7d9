"""The dashboard of an operator, with in-memory controls and ledger."""

import asyncio
from collections.abc import Awaitable, Callable

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Event, Kind
from hemostat.operator import OperatorCommands
from hemostat.tui.actions.build import OrderBuilder
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.lazy import LazyValue
from tests.support.clock import FakeClock
from tests.support.dashboard import filled, says, until
from tests.support.samples import NOW, complete, event

ME = "ann@laptop"
LIMITS = ResponderSettings(orders=tuple(each for each in Action if each is not Action.NONE))
Play = Callable[["ActionHarness", Dashboard, object], Awaitable[None]]


class ActionHarness:
    """Controls and a ledger in memory, and the dashboard of an operator."""

    def __init__(self, limits: ResponderSettings = LIMITS, *, bus: type[InMemoryBus] = InMemoryBus) -> None:
        self.clock, self.desk = FakeClock(NOW + 5), InMemoryControls()
        self.bus = filled(self.clock, bus)
        ledger = InMemoryLedger(self.desk, self.bus.incidents, self.bus.seals)
        self.hand = OrderBuilder(
            # As in `hemostat tui`.
            LazyValue(
                lambda: OperatorCommands(self.bus, self.desk, ledger, self.clock, limits, host="laptop")
            ),
            self.clock,
            by=ME,
        )

    def ordered(self) -> list[Event]:
        return self.bus.read_recent("order", 99)

    def decided(self) -> list[tuple[str, str, str, str]]:
        return [
            (each.data.what, each.data.container, each.data.by, each.data.reason)
            for each in self.bus.read_recent("decision", 99)
        ]

    def play(self, script: Play, *, size: tuple[int, int] = (100, 30), acts: bool = True) -> DashboardContext:
        model = DashboardContext(self.bus, self.clock, act=self.hand if acts else None)

        async def run() -> None:
            app = Dashboard(model)
            async with app.run_test(size=size, notifications=True) as pilot:
                await until(pilot, lambda: says(app, "restarted") and says(app, "✓ responder"))
                await script(self, app, pilot)

        asyncio.run(run())
        return model

    def answer(self, to: Event, **changes) -> None:
        done = complete(container=to.data.container, kind=Kind.ORDERED, action=to.data.action, **changes)
        self.bus.publish([event(done, self.clock.now() - NOW, incident=to.incident)])
