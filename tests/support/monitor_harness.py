"""A monitor on an in-memory engine."""

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.monitor import Monitor
from hemostat.core.model import (
    Connected,
    Sample,
    Samples,
)
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import ContainerStats, HealthAlert, Kind, Phase
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock

MIB = 1 << 20


class MonitorHarness:
    """A monitor on an engine in memory that gets all of its events."""

    def __init__(self, **thresholds) -> None:
        self.clock = FakeClock()
        self.engine = InMemoryEngine(self.clock)
        self.monitor = self.new_monitor(**thresholds)
        self.heard = 0
        self.alerts: list[HealthAlert] = []
        self.incidents: list[str] = []
        self.stats: list[ContainerStats] = []
        self.samples: list[Sample] = []
        self.tell(Connected())

    def new_monitor(self, history=lambda _: (), **thresholds) -> Monitor:
        return Monitor(
            self.engine,
            self.engine,
            MonitorSettings(**thresholds),
            host="h",
            source="monitor@1",
            host_memory=4096 * MIB,
            history=history,
        )

    def tell(self, observation) -> None:
        for event in self.monitor.step(observation, self.clock.now()):
            if isinstance(event.data, HealthAlert):
                self.alerts.append(event.data)
                self.incidents.append(event.incident)
            else:
                self.stats.append(event.data)

    def listen(self) -> None:
        """Pass on the engine's events since the last call."""
        history = self.engine._history
        news, self.heard = history[self.heard :], len(history)
        for event in news:
            self.tell(event)

    def sample(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.listen()
            samples = self.engine.sample(self.monitor.list_running(), self.clock.now())
            self.samples += samples
            self.tell(Samples(tuple(samples)))

    def make(self, **fields) -> str:
        spec = {"name": "web", "image": "busybox", "command": ("x",), "labels": {}}
        container = self.engine.run(ContainerSpec(**{**spec, **fields}))
        self.listen()
        return container

    def restart_monitor(self, **fields) -> None:
        memo = self.monitor.encode_state()
        self.monitor = self.new_monitor(**fields)
        self.monitor.restore_state(memo)

    def told(self) -> list[tuple[Kind, Phase]]:
        return [(alert.kind, alert.phase) for alert in self.alerts]
