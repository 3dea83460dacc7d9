"""The shapes of the data of events.

Statistics come by the thousand, so the garbage collector does not track them: frozen data of plain values
cannot refer to itself.
"""

import msgspec

from hemostat.events.fields import Epoch
from hemostat.events.words import Action, Kind, Outcome, Phase, Reason, Severity, Word


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A container in events, or the host itself, which has no id. `labels` holds only the labels of HemoStat,
    autoheal and Compose, and those that name an orchestrator's workload."""

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


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A container's state as the engine reported it. Times are epoch seconds, 0 for never."""

    status: str
    health: str | None = None
    exit_code: int = 0
    started_at: Epoch = 0.0
    restart_count: int = 0


class Quote(msgspec.Struct, frozen=True):
    """A quotation from the evidence, with its source: Quote("log", "no space left on device")."""

    source: str
    text: str


class Investigation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model reached its diagnosis. `steps` are what it read, `expect` is what should be seen if the
    action is right, `alternative` is another possible cause; `cost` is in US dollars. Texts of the model are
    redacted."""

    model: str
    roots: tuple[str, ...] = ()
    """Names of the containers where the failure starts."""
    quotes: tuple[Quote, ...] = ()
    expect: str = ""
    alternative: str = ""
    steps: tuple[str, ...] = ()
    seconds: float = 0.0
    tokens: int = 0
    cost: float = 0.0
    reused: bool = False
    """Whether the advice was reused from a recent incident of the same kind."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis. `confidence` is 0 to 1; `reasons` are what the cause was concluded from; `advisor` is
    `rules`, or a vendor and its model. `investigation` is None where no model was involved."""

    cause: str
    confidence: float
    reasons: tuple[str, ...] = ()
    advisor: str = "rules"
    investigation: Investigation | None = None


class HealthAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A container failed or recovered.

    `since` is when the condition began (epoch seconds), `window` how long it had to hold (seconds).
    `occurrence` counts the alerts of this incident from 1: a container that exits again before it has settled
    adds an occurrence to the same incident.
    """

    container: Container
    kind: Kind
    severity: Severity
    since: Epoch
    phase: Phase = Phase.RAISED
    occurrence: int = 1
    relapsed: bool = False
    """Whether the condition has returned: it was over, or another process of the container had it."""
    window: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    root: str = ""
    """Name of the container that is suspected as the root cause; empty: the container itself."""
    downstream: tuple[str, ...] = ()
    """Names of the containers that depend on this one: some of them, where `downstream_count` is higher."""
    downstream_count: int = 0
    """How many containers depend on this one; 0 in events of an earlier version."""

    def get_fact(self, name: str) -> float | str | bool | None:
        return next((item.value for item in self.evidence if item.name == name), None)

    def get_number(self, name: str, default: float = 0.0) -> float:
        value = self.get_fact(name)
        return default if value is None or isinstance(value, str) else float(value)


class RemediationNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an action. `rung` is the position on the ladder of actions for this incident, from 0."""

    alert: HealthAlert
    action: Action
    diagnosis: Diagnosis
    parameters: dict[str, float | str | bool] = {}
    rung: int = 0


class FalseAlarm(msgspec.Struct, frozen=True, kw_only=True):
    alert: HealthAlert
    diagnosis: Diagnosis


class RemediationComplete(msgspec.Struct, frozen=True, kw_only=True):
    """The action and its outcome. `durations` are seconds by phase: `act`, `verify`, `approval` (until a
    person answered), and `total`, which includes them."""

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
    """The alert that it answered, where the next rung of the ladder may follow."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A person's order to act on a container. `by` is the person, as user@host. `force`: beyond the limits,
    where the responder's settings allow that."""

    container: Container
    action: Action
    by: str
    reason: str = ""
    parameters: dict[str, float | str | bool] = {}
    force: bool = False


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A person's decision, for the record. It takes effect by the control store, not by this event.

    `container` is a name, `*` for all; `until` when a pause ends by itself (epoch seconds), None for never;
    `action` what was approved or rejected.
    """

    what: Word
    by: str
    container: str
    reason: str = ""
    until: Epoch | None = None
    action: Action = Action.NONE


class ContainerStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One container's current measurements, for screens.

    `cpu` is percent in Docker's convention (100 = one core), `cpu_limit` cores; `memory` is the working set
    in bytes, `memory_limit` bytes; `received` and `sent` are bytes a second over network interfaces of its
    own, without the loopback. None where the value is unknown or there is no limit. `ports` are the TCP ports
    of the host that are forwarded to the container.
    """

    container: Container
    state: State
    cpu: float | None = None
    cpu_limit: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    received: float | None = None
    sent: float | None = None
    ports: tuple[int, ...] = ()


class Figure(msgspec.Struct, frozen=True):
    """A count of a role since it started: the name of a metric (core.metrics.definitions), the values of its
    labels, and the count."""

    name: str
    labels: tuple[str, ...]
    value: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A role is running. `lag` is how many events wait for it; `trouble` is what it waits for, if anything;
    `warnings` are what it works without meanwhile; `mode` is a responder's; `modes` are its stricter modes,
    by action (`restart`) and by Compose project (`project shop`). `mode_since` is when a window last changed
    them, 0 if none did, and `windows` are the open windows, as text."""

    role: str
    instance: str
    pid: int
    started: Epoch
    every: float
    lag: int = 0
    handled: int = 0
    trouble: str = ""
    warnings: tuple[str, ...] = ()
    mode: str = ""
    modes: dict[str, str] = {}
    mode_since: Epoch = 0.0
    windows: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
