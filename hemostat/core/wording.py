"""The words of people for the closed sets of values in events. Each value has one text, used by every output.

Programs keep the values themselves: JSON, events, log fields and metrics. Sentences are built from these
words by core.history.sentences.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hemostat.events import Action, Kind, Outcome, Reason, Word

OVER_TO_YOU: Final = "over to you"
"""A person has to act: HemoStat takes no further action."""

KIND_TEXTS: Final[Mapping[Kind, str]] = {
    Kind.EXITED: "exited",
    Kind.CRASH_LOOP: "crash loop",
    Kind.OOM: "out of memory",
    Kind.UNHEALTHY: "health check fails",
    Kind.FLAPPING: "health flaps",
    Kind.HUNG: "probe fails",
    Kind.CPU_HIGH: "high CPU",
    Kind.CPU_THROTTLED: "CPU throttled",
    Kind.MEMORY_HIGH: "high memory",
    Kind.MEMORY_LEAK: "memory leak",
    Kind.DISK_HIGH: "disk fills up",
    Kind.PIDS_HIGH: "many processes",
    Kind.FD_HIGH: "many open files",
    Kind.STORM: "many failures at once",
    Kind.ORDERED: "order",
}
"""What is wrong with a container, in two or three words."""

RECOVERY_TEXTS: Final[Mapping[Kind, str]] = {
    Kind.EXITED: "runs again",
    Kind.CRASH_LOOP: "crash loop is over",
    Kind.OOM: "runs again",
    Kind.UNHEALTHY: "health check no longer fails",
    Kind.FLAPPING: "health is stable again",
    Kind.HUNG: "probe no longer fails",
    Kind.CPU_HIGH: "CPU is normal again",
    Kind.CPU_THROTTLED: "CPU is no longer throttled",
    Kind.MEMORY_HIGH: "memory is normal again",
    Kind.MEMORY_LEAK: "memory no longer rises",
    Kind.DISK_HIGH: "disk is below its threshold again",
    Kind.PIDS_HIGH: "number of processes is normal again",
    Kind.FD_HIGH: "number of open files is normal again",
    Kind.STORM: "no more failures at once",
    Kind.ORDERED: "order is done",
}
"""The end of a condition that ended by itself, or by an action."""


class ActionWords(NamedTuple):
    """The forms of an action's name: `may I restart it?`, `restart did not help`, `restarted in 3 s`,
    `restarting it`, `not restarted: …`, `would restart`, `asks for a restart`."""

    order: str
    name: str
    past: str
    doing: str
    undone: str
    brief: str
    request: str


ACTION_WORDS: Final[Mapping[Action, ActionWords]] = {
    Action.RESTART: ActionWords(
        "restart it", "restart", "restarted", "restarting it", "not restarted", "restart", "a restart"
    ),
    Action.START: ActionWords(
        "start it", "start", "started", "starting it", "not started", "start", "a start"
    ),
    Action.STOP: ActionWords("stop it", "stop", "stopped", "stopping it", "not stopped", "stop", "a stop"),
    Action.SCALE: ActionWords(
        "raise its limit",
        "higher limit",
        "limit raised",
        "raising its limit",
        "limit not raised",
        "raise limit",
        "a higher limit",
    ),
    Action.EXEC: ActionWords(
        "run its command",
        "command",
        "command run",
        "running its command",
        "command not run",
        "run command",
        "its command",
    ),
    Action.CLEANUP: ActionWords(
        "clean up", "cleanup", "cleaned up", "cleaning up", "not cleaned up", "clean up", "a cleanup"
    ),
    Action.NONE: ActionWords(
        "take no action",
        OVER_TO_YOU,
        "no action taken",
        "no action",
        "no action taken",
        "do nothing",
        "no action",
    ),
}

OUTCOME_TEXTS: Final[Mapping[Outcome, str]] = {
    Outcome.HEALED: "healed",
    Outcome.FAILED: "did not help",
    Outcome.REFUSED: "refused",
    Outcome.ESCALATED: OVER_TO_YOU,
    Outcome.DRY_RUN: "dry run",
    Outcome.WAITING: "waits",
    Outcome.AWAITING_APPROVAL: "waits for approval",
    Outcome.EXPIRED: "too late",
    Outcome.NOT_APPLICABLE: "not needed",
}

STATUS_TEXTS: Final[Mapping[str, str]] = {
    **{str(outcome): text for outcome, text in OUTCOME_TEXTS.items()},
    "open": "open",
    "acting": "HemoStat acts",
    "verifying": "verifying",
    "cleared": "over",
    "closed": "closed",
    "false_alarm": "no action needed",
}
"""The status of an incident (core.history.incident_log)."""

REASON_TEXTS: Final[Mapping[Reason, str]] = {
    Reason.VERIFIED: "it is well",
    Reason.NOT_VERIFIED: "the failure is still there",
    Reason.ENGINE_ERROR: "the engine failed",
    Reason.GIVEN_UP: "HemoStat could not handle the request",
    Reason.DRY_RUN: "dry run",
    Reason.UNKNOWN_INCIDENT: "the request is not from a monitor or a person",
    Reason.PROTECTED: "it is protected",
    Reason.NOT_ALLOWED: "not allowed",
    Reason.BUDGET_SPENT: "its budget is spent",
    Reason.COOLDOWN: "cooldown",
    Reason.BREAKER_OPEN: "breaker open",
    Reason.MIN_HEALTHY: "too few replicas are healthy",
    Reason.PAUSED: "paused",
    Reason.APPROVAL: "it needs an approval",
    Reason.REJECTED: "rejected",
    Reason.NO_ANSWER: "the request for approval was not answered",
    Reason.EXPIRED: "too late",
    Reason.RECOVERED: "it recovered by itself",
    Reason.STOPPED: "it was stopped",
    Reason.GONE: "it was removed",
    Reason.UNSUPPORTED: "not possible",
    Reason.ALREADY_TRIED: "tried before",
    Reason.NOT_VIABLE: "it could not start again",
    Reason.NEEDS_PERSON: "no action would help",
    Reason.ROOT_ELSEWHERE: "the cause is elsewhere",
}
"""Why a remediation ended as it did."""

TELLING_DETAILS: Final = frozenset(
    {
        Reason.NOT_VERIFIED,
        Reason.ENGINE_ERROR,
        Reason.GIVEN_UP,
        Reason.NO_ANSWER,
        Reason.UNSUPPORTED,
        Reason.STOPPED,
        Reason.ALREADY_TRIED,
    }
)
"""Reasons whose detail says all that their text says, and more."""
JOINED_DETAILS: Final = ("by ", "for another ")
"""Beginnings of details that go on with the reason's text: `paused by ann@h`."""

EVENT_TEXTS: Final[Mapping[str, str]] = {
    "health_alert": "alert",
    "remediation_needed": "diagnosis",
    "false_alarm": "false alarm",
    "remediation_complete": "outcome",
    "order": "order",
    "decision": "decision",
    "container_stats": "statistics",
    "heartbeat": "heartbeat",
}
"""Types of events in printed lists. Options and JSON have the types themselves."""

DECISION_TEXTS: Final[Mapping[Word, str]] = {
    Word.APPROVED: "{} approved",
    Word.REJECTED: "{} rejected",
    Word.PAUSED: "paused",
    Word.RESUMED: "resumed",
    Word.RESET: "breaker closed",
    Word.ACKNOWLEDGED: "acknowledged",
    Word.CLOSED: "incident closed",
    Word.ACCEPTED: "audit trail accepted",
}
"""Decisions of people; `{}` is the action's name."""

CAUSE_TEXTS: Final[Mapping[str, str]] = {
    "hung": "runs without an answer",
    "part of a storm": "part of many failures at once",
}
"""Causes of diagnoses whose own word is not clear to all. Any other cause is its own text."""

HUNG_TEXTS: Final[Mapping[Kind, str]] = {kind: KIND_TEXTS[kind] for kind in (Kind.UNHEALTHY, Kind.HUNG)}
"""The cause `hung` by kind: what fails is a check from outside, while the process may work."""


def describe_kind(kind: str) -> str:
    """Return what is wrong in a few words. A kind of another version is its own text."""
    return KIND_TEXTS[Kind(kind)] if kind in KIND_TEXTS else kind.replace("_", " ")


def describe_event_type(name: str) -> str:
    """Return an event's type for people. A type of another version is its own text."""
    return EVENT_TEXTS.get(name, name.replace("_", " "))


def describe_cause(cause: str, kind: Kind | None) -> str:
    """Return a diagnosis' cause for people. An advisor's own word stays, on one line without underscores.
    `kind`: what is wrong, None if that is not known."""
    if cause == "hung" and kind is not None and kind in HUNG_TEXTS:
        return HUNG_TEXTS[kind]
    return CAUSE_TEXTS.get(cause, cause.replace("_", " "))


def describe_reason(reason: Reason, detail: str = "") -> str:
    """Return why a remediation ended as it did, with the responder's detail."""
    text = REASON_TEXTS[reason]
    if not detail:
        return text
    if reason in TELLING_DETAILS or detail.startswith(text):
        return detail
    return f"{text} {detail}" if detail.startswith(JOINED_DETAILS) else f"{text} ({detail})"


def describe_status(status: str) -> str:
    """Return the status of an incident for people."""
    return STATUS_TEXTS.get(status, status.replace("_", " "))
