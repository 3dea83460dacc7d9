"""A responder on an in-memory engine with one container."""

from collections.abc import Sequence

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.agents.responder import Responder, ResponderDependencies
from hemostat.agents.responder.verifier import Probe
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    Action,
    Event,
    HealthAlert,
    Kind,
    RemediationComplete,
    RemediationNeeded,
)
from hemostat.ports import ContainerSpec, Defer, RunInBackground
from tests.support.clock import FakeClock
from tests.support.samples import DIAGNOSIS, alert

MIB = 1 << 20


def run_step(
    responder: Responder, event: Event, now: float, reported: Sequence[str] = ()
) -> list[Event] | Defer:
    """Return the step's answer, with the result of its background work."""
    answer = responder.step(event, now, reported)
    return answer.work(now) if isinstance(answer, RunInBackground) else answer


class ResponderHarness:
    """A responder, an engine in memory with one container, and a ledger."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = InMemoryEngine(self.clock)
        self.desk = InMemoryControls()
        self.incidents: dict[tuple[str, str | None], str] = {}
        """The incidents that a monitor has reported."""
        self.seals: dict[tuple[str, str | None], str] = {}
        """The seals of the orders that people have given."""
        self.ledger = InMemoryLedger(self.desk, self.incidents, self.seals)
        self.dossiers = InMemoryEvidence()
        self.history: dict[str, Sequence[MetricPoint]] = {}
        self.probe: Probe | None = None
        self.web = self.make("web")
        self.clock.advance(60)

    def make(self, name: str, **fields) -> str:
        spec = {"name": name, "image": "busybox", "command": ("x",), "labels": {}}
        return self.engine.run(ContainerSpec(**{**spec, **fields}))

    def responder(self, name: str = "a", **limits) -> Responder:
        return Responder(
            ResponderDependencies(
                engine=self.engine,
                sampler=self.engine,
                ledger=self.ledger,
                control_store=self.desk,
                evidence_store=self.dossiers,
                clock=self.clock,
                limits=ResponderSettings(**limits),
                host="h",
                source=f"responder@{name}",
                host_memory=4096 * MIB,
                read_metrics=lambda container: self.history.get(container.name, ()),
                probe=self.probe,
                run_in_background=lambda work, _: work(),
            )
        )

    def request(self, kind: Kind = Kind.EXITED, action: Action = Action.RESTART, **changes) -> Event:
        ref = self.engine.inspect(changes.pop("container", "web")).ref
        incident, parameters = changes.pop("incident", "i1"), changes.pop("parameters", {})
        told: HealthAlert = alert(kind=kind, container=ref, since=self.clock.now(), **changes)
        self.incidents["h", incident] = ref.name
        data = RemediationNeeded(alert=told, action=action, diagnosis=DIAGNOSIS, parameters=parameters)
        return Event.make(data, time=self.clock.now(), host="h", source="analyzer@1", incident=incident)

    def crashed(self, **changes) -> Event:
        self.engine.crash("web", 7)
        return self.request(**changes)

    def step(
        self, event: Event, responder: Responder | None = None, reported: Sequence[str] = ()
    ) -> RemediationComplete | Defer:
        answer = run_step(responder or self.responder(), event, self.clock.now(), reported)
        if isinstance(answer, Defer):
            return answer
        (told,) = answer
        assert isinstance(told.data, RemediationComplete)
        return told.data

    def finish(
        self, event: Event, responder: Responder | None = None, reported: Sequence[str] = ()
    ) -> RemediationComplete:
        """Return the outcome, also of a request that is deferred while the container starts."""
        responder = responder or self.responder()
        while isinstance(done := self.step(event, responder, reported), Defer):
            self.clock.sleep(max(0.1, done.until - self.clock.now()))
        return done

    def starts(self) -> int:
        return sum(event.action == "start" for event in self.engine._history) - len(self.engine._boxes)


def interrupt(_: float) -> None:
    raise RuntimeError("killed while it verified")
