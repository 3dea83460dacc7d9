"""The closed sets of values in events."""

from enum import StrEnum


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
    """No failure: a person ordered an action."""


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Phase(StrEnum):
    """An alert is a transition: the condition began, or it ended."""

    RAISED = "raised"
    CLEARED = "cleared"


class Action(StrEnum):
    """The closed set of actions of HemoStat; no advisor can request another one."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"
    """Only a person requests this."""
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
    """Why a remediation ended as it did, as shown to users and in the dashboard."""

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
    ALREADY_TRIED = "already_tried"
    NOT_VIABLE = "not_viable"
    NEEDS_PERSON = "needs_person"
    ROOT_ELSEWHERE = "root_elsewhere"


class Word(StrEnum):
    """A person's decision, other than an order."""

    APPROVED = "approved"
    REJECTED = "rejected"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESET = "reset"
    ACKNOWLEDGED = "acknowledged"
    """A person has read the incident and takes care of it. The incident stays open."""
    CLOSED = "closed"
    """A person declares the incident settled. Only another alert opens it again."""
    ACCEPTED = "accepted"
    """The audit trail was accepted as it is, whatever was found in it."""
