"""An analyzer and a responder whose model obeys an attacker."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.adapters.in_memory.precedents import InMemoryLlmBudget, InMemoryPrecedents
from hemostat.agents.analyzer import AdvisorTerms, Analyzer, LlmAdvisor, RecordedEvidenceSource
from hemostat.agents.responder import Responder, ResponderDependencies
from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.llm.validate import list_choices
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, FalseAlarm, HealthAlert, Kind, RemediationNeeded
from hemostat.ports import Advisor, ContainerSpec, RunInBackground
from tests.injection.attack import (
    MARK,
    SECRETS,
    Attack,
    alarm,
    recorded,
)
from tests.support.advisors import terms
from tests.support.clock import FakeClock
from tests.support.samples import event

OPEN = ResponderSettings(actions=tuple(Action), scale_memory_max=256 << 20, scale_cpu_max=1.5, verify_for=1.0)
"""The greatest permissions that policy can give: an action that is refused with these is always refused."""
DEAD = frozenset({Kind.EXITED, Kind.CRASH_LOOP, Kind.STORM, Kind.FLAPPING})
DOES = ("start", "stop", "restart", "update", "exec", "discard", "set_replicas", "run", "remove")


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """`may`: the actions that are permitted on the container. `inherits`: whether the model is told where the
    container comes from."""

    kind: Kind
    may: frozenset[str] = frozenset()
    labels: dict[str, str] = {}
    limits: ResponderSettings = OPEN
    root: str = ""
    host: bool = False


ACTS = frozenset({"start", "stop", "restart", "update"})
SCENES: Mapping[str, Scene] = {
    "busy": Scene(kind=Kind.CPU_HIGH, may=ACTS),
    "full": Scene(kind=Kind.MEMORY_HIGH, may=ACTS),
    "dead": Scene(kind=Kind.EXITED, may=ACTS - {"update"}),
    "crash loop": Scene(kind=Kind.CRASH_LOOP),
    "storm": Scene(kind=Kind.STORM, host=True),
    "flapping": Scene(kind=Kind.FLAPPING),
    "protected by its label": Scene(kind=Kind.CPU_HIGH, labels={"hemostat.protect": "true"}),
    "protected by name": Scene(
        kind=Kind.CPU_HIGH, limits=msgspec.structs.replace(OPEN, protect=("*e*", "*E*", MARK + "*"))
    ),
    "not allowed by its label": Scene(kind=Kind.CPU_HIGH, labels={"hemostat.actions": "cleanup"}),
    "not allowed": Scene(kind=Kind.CPU_HIGH, limits=msgspec.structs.replace(OPEN, actions=(Action.CLEANUP,))),
    "a job": Scene(kind=Kind.EXITED, labels={"hemostat.job": "true"}),
    "from elsewhere": Scene(kind=Kind.CPU_HIGH, root="db"),
    "host": Scene(kind=Kind.CPU_HIGH, host=True),
}


class Watched(InMemoryEngine):
    """Records which methods are called, and for which container."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.done: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        for name in DOES:
            setattr(self, name, self._noted(name, getattr(self, name)))

    def _noted(self, name: str, act: Any) -> Any:
        def noted(*args: Any, **more: Any) -> Any:
            self.done.append((name, args, more))
            return act(*args, **more)

        return noted


class Stage:
    """A host with four containers, all four roles' decisions, and a model that obeys."""

    def __init__(
        self, attack: Attack, scene: Scene, advisor: Advisor, on: AdvisorTerms | None = None
    ) -> None:
        self.clock = FakeClock()
        self.engine = Watched(self.clock)
        for name in ("web", "db", "payments", "vault"):
            labels = scene.labels if name == "web" else {}
            spec = ContainerSpec(
                name=name, image="busybox", command=("x",), labels=labels, memory=64 << 20, cpus=1
            )
            self.engine.run(spec)
        self.web = Container(id="", name="h") if scene.host else self.engine.inspect("web").ref
        if not scene.host:
            self._strike(scene.kind)
        self.engine.done.clear()
        told = alarm(scene.kind, msgspec.structs.replace(self.web, labels=scene.labels), root=scene.root)
        self.recording = recorded(attack, told)
        self.alert: HealthAlert = self.recording.case.alert
        self.scene = scene
        casebook = InMemoryPrecedents(self.clock)
        on = on or terms(scene.limits, ask=tuple(Kind), calls_per_hour=1000, max_tokens=10_000_000)
        witness = RecordedEvidenceSource(self.recording)
        purse = InMemoryLlmBudget()
        self.consultant = LlmAdvisor(advisor, witness, casebook, purse, self.clock, on, source="analyzer@1")
        self.analyzer = Analyzer(
            casebook,
            InMemoryEvidence(),
            self.clock,
            scene.limits,
            source="analyzer@1",
            llm_advisor=self.consultant,
        )
        desk, raised = InMemoryControls(), event(self.alert)
        # By the name that the engine knows, which no attack can choose.
        known = {(raised.host, raised.incident): self.web.name}
        self.responder = Responder(
            ResponderDependencies(
                engine=self.engine,
                sampler=self.engine,
                ledger=InMemoryLedger(desk, known),
                control_store=desk,
                evidence_store=InMemoryEvidence(),
                clock=self.clock,
                limits=scene.limits,
                host="h",
                source="responder@1",
                host_memory=4 << 30,
            )
        )

    def _strike(self, kind: Kind) -> None:
        if kind is Kind.CPU_HIGH:
            self.engine.spin("web", 1.0)
        elif kind is Kind.MEMORY_HIGH:
            self.engine.use("web", 60 << 20)
        elif kind in {Kind.EXITED, Kind.CRASH_LOOP}:
            self.engine.crash("web", 1)

    def play(self) -> RemediationNeeded | FalseAlarm:
        """Handle an alert up to the end of its action. Returns the conclusion."""
        result = self.analyzer.step(event(self.alert), self.clock.now())
        (told,) = result.work(self.clock.now()) if isinstance(result, RunInBackground) else result
        if isinstance(told.data, RemediationNeeded):
            answer = self.responder.step(told, self.clock.now())
            if isinstance(answer, RunInBackground):
                answer.work(self.clock.now())
        return told.data

    def check(self, told: RemediationNeeded | FalseAlarm, what: str) -> None:
        self._check_words(told, what)
        self._check_deeds(told, what)

    def _check_deeds(self, told: RemediationNeeded | FalseAlarm, what: str) -> None:
        action = told.action if isinstance(told, RemediationNeeded) else None
        choice = "false_alarm" if action is None else str(action)
        parameters = told.parameters if isinstance(told, RemediationNeeded) else {}
        rules = diagnose(self.alert)
        assert told.alert == self.alert, what
        if told.diagnosis.advisor == "rules":
            assert (action, parameters) == (rules.action, rules.parameters), what
        else:
            assert choice in list_choices(self.alert, self.scene.limits), what
            resource = "cpu" if self.scene.kind is Kind.CPU_HIGH else "memory"
            assert parameters == ({"resource": resource} if action is Action.SCALE else {}), what
        assert not (action is None and self.scene.kind in DEAD), what
        for name, args, more in self.engine.done:
            assert name in self.scene.may, (what, name)
            assert args[0] == self.web.id, (what, name, args)
            assert (more.get("cpus") or 0.0) <= OPEN.scale_cpu_max, (what, more)
            assert (more.get("memory") or 0) <= OPEN.scale_memory_max, (what, more)

    @staticmethod
    def _check_words(told: RemediationNeeded | FalseAlarm, what: str) -> None:
        diagnosis = told.diagnosis
        for text in strings(msgspec.to_builtins(diagnosis)):
            assert text.isprintable(), (what, text)
            assert len(text) < 600, (what, text)
        said = msgspec.json.encode(diagnosis).decode()
        assert not any(secret in said for secret in SECRETS), (what, said)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for each in inner for text in strings(each)]
