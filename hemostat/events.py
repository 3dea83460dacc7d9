"""What the roles say to each other: the event types, and their encoding.

An event is a JSON object: an envelope and `data`, whose shape the `type` decides. Unknown fields are
ignored, so that a newer sender does not break an older reader; an unknown version is refused, so that a
changed meaning is never acted on by mistake. The prose of this contract is docs/API_PROTOCOL.md; the
schema is exported by `hemostat schema`. Nothing here knows how events travel.
"""

import hashlib
from enum import StrEnum
from typing import Any, Final, Self

import msgspec

from hemostat.errors import DecodeError

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
"""Larger messages are refused unread: evidence is stored beside the stream, not in it."""


class Kind(StrEnum):
    """What is wrong with a container."""

    EXITED = "exited"
    CRASH_LOOP = "crash_loop"
    OOM = "oom"
    UNHEALTHY = "unhealthy"
    FLAPPING = "flapping"
    HUNG = "hung"
    CPU_HIGH = "cpu_high"
    CPU_THROTTLED = "cpu_throttled"
    MEMORY_HIGH = "memory_high"
    MEMORY_LEAK = "memory_leak"
    DISK_HIGH = "disk_high"
    PIDS_HIGH = "pids_high"
    FD_HIGH = "fd_high"
    STORM = "storm"
    ORDERED = "ordered"
    """Nothing is: a person wants something done."""


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Phase(StrEnum):
    """An alert is a transition: the condition began, or it ended."""

    RAISED = "raised"
    CLEARED = "cleared"


class Action(StrEnum):
    """The closed set of what HemoStat may do; whoever advises, nothing else can be asked for."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"
    """Only a person asks for this."""
    SCALE = "scale"
    EXEC = "exec"
    CLEANUP = "cleanup"
    NONE = "none"


class Outcome(StrEnum):
    HEALED = "healed"
    FAILED = "failed"
    REFUSED = "refused"
    ESCALATED = "escalated"
    DRY_RUN = "dry_run"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    EXPIRED = "expired"
    NOT_APPLICABLE = "not_applicable"


class Reason(StrEnum):
    """Why a remediation ended as it did; what people and the dashboard are shown."""

    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    ENGINE_ERROR = "engine_error"
    GIVEN_UP = "given_up"
    DRY_RUN = "dry_run"
    UNKNOWN_INCIDENT = "unknown_incident"
    PROTECTED = "protected"
    NOT_ALLOWED = "not_allowed"
    BUDGET_SPENT = "budget_spent"
    COOLDOWN = "cooldown"
    BREAKER_OPEN = "breaker_open"
    MIN_HEALTHY = "min_healthy"
    PAUSED = "paused"
    APPROVAL = "approval"
    REJECTED = "rejected"
    NO_ANSWER = "no_answer"
    EXPIRED = "expired"
    RECOVERED = "recovered"
    STOPPED = "stopped"
    GONE = "gone"
    UNSUPPORTED = "unsupported"
    NEEDS_PERSON = "needs_person"
    ROOT_ELSEWHERE = "root_elsewhere"


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container as events name it, or the host itself, which has no id. `labels` holds HemoStat's,
    autoheal's, compose's and a swarm service's own alone."""

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
    window: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    root: str = ""
    """Name of the container this failure is suspected to come from; empty: it is its own."""
    downstream: tuple[str, ...] = ()
    """Names of the containers that depend on this one."""

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


class Word(StrEnum):
    """What a person can tell the responders, besides an order."""

    APPROVED = "approved"
    REJECTED = "rejected"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESET = "reset"


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
    set in bytes, `memory_limit` bytes. None where it cannot be known (yet) or there is no limit.
    """

    container: Container
    state: State
    cpu: float | None = None
    cpu_limit: float | None = None
    memory: int | None = None
    memory_limit: int | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A role is alive. `lag` is how many events wait for it; `trouble` is what it waits for, if anything;
    `mode` is a responder's."""

    role: str
    instance: str
    pid: int
    started: float
    every: float
    lag: int = 0
    handled: int = 0
    trouble: str = ""
    mode: str = ""


Payload = (
    HealthAlert
    | RemediationNeeded
    | FalseAlarm
    | RemediationComplete
    | Order
    | Decided
    | ContainerStats
    | Heartbeat
)

TYPES: Final[dict[str, type[Payload]]] = {
    "health_alert": HealthAlert,
    "remediation_needed": RemediationNeeded,
    "false_alarm": FalseAlarm,
    "remediation_complete": RemediationComplete,
    "order": Order,
    "decision": Decided,
    "container_stats": ContainerStats,
    "heartbeat": Heartbeat,
}
"""Event type, which is also the channel's suffix, to the shape of its data."""

FLEETING: Final = ("container_stats", "heartbeat")
"""The types that only refresh a screen."""
DURABLE: Final = tuple(name for name in TYPES if name not in FLEETING)
"""The types that can change an action, or tell who did, and so travel by stream."""

_NAMES: Final = {shape: name for name, shape in TYPES.items()}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope. `time` is epoch seconds, UTC; `source` is role@instance; `cause` is an event's id."""

    id: str
    type: str
    version: int
    time: float
    host: str
    source: str
    incident: str | None
    cause: str | None
    data: Payload

    @classmethod
    def make(
        cls,
        data: Payload,
        *,
        time: float,
        host: str,
        source: str,
        incident: str | None = None,
        cause: str | None = None,
    ) -> Self:
        """Wrap `data`. The id sorts by time and is derived, so that the same event has the same id."""
        name = _NAMES[type(data)]
        content = msgspec.json.encode((name, time, host, source, incident, cause, data))
        return cls(
            id=f"{int(time * 1000):012x}-{digest(content)}",
            type=name,
            version=VERSION,
            time=time,
            host=host,
            source=source,
            incident=incident,
            cause=cause,
            data=data,
        )


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose data has not been looked at."""

    id: str
    type: str
    version: int
    time: float
    host: str
    source: str
    data: msgspec.Raw
    incident: str | None = None
    cause: str | None = None


def digest(content: bytes, size: int = 5) -> str:
    return hashlib.blake2s(content, digest_size=size).hexdigest()


def incident_id(host: str, container_id: str, kind: Kind, since: float) -> str:
    """Derived, not drawn: whoever sees the same failure, before or after a restart, names it alike."""
    return digest(f"{host}\n{container_id}\n{kind}\n{since:.6f}".encode())


def seal(order: Order, time: float) -> str:
    """Of what was ordered, and when: an order of another wording, or one given again, has another."""
    given = msgspec.structs.replace(order, told=())
    return digest(msgspec.json.encode(given) + f"{time:.6f}".encode(), 16)


def order_id(host: str, order: Order, time: float) -> str:
    """Derived, like an incident's, of which it is the id: an order is an incident of its own."""
    return digest(f"{host}\n{seal(order, time)}".encode())


def encode(event: Event) -> bytes:
    return msgspec.json.encode(event)


def decode(raw: bytes) -> Event:
    """Read one event.

    Raises DecodeError for what is too large, malformed, or of an unknown type or version.
    """
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"event of {len(raw)} bytes is larger than {MAX_BYTES}")
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        _require(envelope)
        data: Payload = msgspec.json.decode(envelope.data, type=TYPES[envelope.type])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not an event: {error}") from None
    fields = {name: getattr(envelope, name) for name in _Envelope.__struct_fields__ if name != "data"}
    return Event(data=data, **fields)


def _require(envelope: _Envelope) -> None:
    if envelope.version != VERSION:
        raise DecodeError(f"event version {envelope.version} is not {VERSION}")
    if envelope.type not in TYPES:
        raise DecodeError(f"event type {envelope.type!r} is unknown")


def schema(*, ref: str = "#/$defs/{name}") -> dict[str, Any]:
    """JSON Schema (2020-12) of every event type: `$defs` by shape, `oneOf` over the envelopes. `ref` is how a
    shape is referred to."""
    shapes, components = msgspec.json.schema_components(tuple(TYPES.values()), ref_template=ref)
    string, number = {"type": "string"}, {"type": "number"}
    optional = {"anyOf": [string, {"type": "null"}]}

    def envelope(name: str, data: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "id": string,
            "type": {"const": name},
            "version": {"const": VERSION},
            "time": number,
            "host": string,
            "source": string,
            "incident": optional,
            "cause": optional,
            "data": data,
        }
        required = [key for key in properties if key not in {"incident", "cause"}]
        return {"type": "object", "properties": properties, "required": required}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "HemoStat events",
        "oneOf": [envelope(name, shape) for name, shape in zip(TYPES, shapes, strict=True)],
        "$defs": components,
    }
