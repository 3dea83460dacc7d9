"""What events say: the shapes of their data."""

import msgspec

from hemostat.events.words import Action, Kind, Outcome, Phase, Reason, Severity, Word


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container as events name it, or the host itself, which has no id. `labels` holds HemoStat's,
    autoheal's and compose's own, and those that name an orchestrator's workload, and no others."""

    id: str
    name: str
    image: str = ""
    labels: dict[str, str] = {}

    @property
    def is_host(self) -> bool:
        return not self.id

    @property
    def project(self) -> str | None:
        return self.labels.get("com.docker.compose.project")

    @property
    def service(self) -> str | None:
        return self.labels.get("com.docker.compose.service")


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured fact, with its unit: Evidence("cpu", 97.4, "%")."""

    name: str
    value: float | str | bool
    unit: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A container's state as the engine told it. Times are epoch seconds, 0 for never."""

    status: str
    health: str | None = None
    exit_code: int = 0
    started_at: float = 0.0
    restart_count: int = 0


class Quote(msgspec.Struct, frozen=True):
    """Words that stand in the evidence, and where: Quote("log", "no space left on device")."""

    source: str
    text: str


class Investigation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model came to its diagnosis. `steps` are what it looked at, `expect` what should be seen if the
    action is right, `alternative` what else it may be; `cost` is in US dollars. Its words, redacted."""

    model: str
    roots: tuple[str, ...] = ()
    """Names of the containers where the failure begins."""
    quotes: tuple[Quote, ...] = ()
    expect: str = ""
    alternative: str = ""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    tokens: int = 0
    cost: float = 0.0
    reused: bool = False
    """Whether it was made for another incident just like this one, a moment ago."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """`confidence` is 0 to 1; `reasons` are what the cause was concluded from; `advisor` is who concluded:
    `rules`, or a vendor and its model. `investigation` is None where a model had no part in it."""

    cause: str
    confidence: float
    reasons: tuple[str, ...] = ()
    advisor: str = "rules"
    investigation: Investigation | None = None


class HealthAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A container failed or recovered.

    `since` is when the condition began (epoch seconds), `window` how long it had to hold (seconds).
    `occurrence` counts the alerts of this incident from 1: a container that dies again before it has
    settled is the same incident once more.
    """

    container: Container
    kind: Kind
    severity: Severity
    since: float
    phase: Phase = Phase.RAISED
    occurrence: int = 1
    relapsed: bool = False
    """Whether the condition has come back: it was over, or another process of the container had it."""
    window: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    root: str = ""
    """Name of the container this failure is suspected to come from; empty: it is its own."""
    downstream: tuple[str, ...] = ()
    """Names of the containers that depend on this one: some of them, where `downstream_count` is higher."""
    downstream_count: int = 0
    """How many containers depend on this one; 0 in events of an earlier version."""

    def fact(self, name: str) -> float | str | bool | None:
        return next((item.value for item in self.evidence if item.name == name), None)

    def number(self, name: str, default: float = 0.0) -> float:
        value = self.fact(name)
        return default if value is None or isinstance(value, str) else float(value)


class RemediationNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """`rung` is the position on the ladder of actions for this incident, from 0."""

    alert: HealthAlert
    action: Action
    diagnosis: Diagnosis
    parameters: dict[str, float | str | bool] = {}
    rung: int = 0
    told: tuple[Reason, ...] = ()
    """What people know that it waits for: the responder's note to itself, in what it puts off."""


class FalseAlarm(msgspec.Struct, frozen=True, kw_only=True):
    alert: HealthAlert
    diagnosis: Diagnosis


class RemediationComplete(msgspec.Struct, frozen=True, kw_only=True):
    """What was done and what came of it. `durations` are seconds by phase: `act`, `verify`, `total`."""

    container: Container
    kind: Kind
    action: Action
    outcome: Outcome
    reason: Reason
    diagnosis: Diagnosis
    detail: str = ""
    rung: int = 0
    occurrence: int = 1
    before: State | None = None
    after: State | None = None
    durations: dict[str, float] = {}
    alert: HealthAlert | None = None
    """What it answered, where the next rung of the ladder may follow."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A person wants this done to a container. `by` is who, as user@host; `force`: past the limits too, where
    the responder's settings let people do that."""

    container: Container
    action: Action
    by: str
    reason: str = ""
    parameters: dict[str, float | str | bool] = {}
    force: bool = False
    told: tuple[Reason, ...] = ()
    """As in RemediationNeeded."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A person has decided: for the record. It is in force by the responders' desk, not by this event.

    `container` is a name, `*` for all; `until` when a pause ends by itself (epoch seconds), None for never;
    `action` what was approved or rejected.
    """

    what: Word
    by: str
    container: str
    reason: str = ""
    until: float | None = None
    action: Action = Action.NONE


class ContainerStats(msgspec.Struct, frozen=True, kw_only=True):
    """One container's numbers now, for screens.

    `cpu` is percent in Docker's convention (100 = one core), `cpu_limit` cores; `memory` is the working
    set in bytes, `memory_limit` bytes; `received` and `sent` are bytes a second over network interfaces of
    its own, without the loopback. None where it cannot be known (yet) or there is no limit.
    """

    container: Container
    state: State
    cpu: float | None = None
    cpu_limit: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    received: float | None = None
    sent: float | None = None


class Figure(msgspec.Struct, frozen=True):
    """What a role has counted since it started: the name of a measure (core.metrics.definitions), the values
    of its labels, and how many."""

    name: str
    labels: tuple[str, ...]
    value: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A role is alive. `lag` is how many events wait for it; `trouble` is what it waits for, if anything;
    `warnings` what it does without meanwhile; `mode` is a responder's."""

    role: str
    instance: str
    pid: int
    started: float
    every: float
    lag: int = 0
    handled: int = 0
    trouble: str = ""
    warnings: tuple[str, ...] = ()
    mode: str = ""
    figures: tuple[Figure, ...] = ()
