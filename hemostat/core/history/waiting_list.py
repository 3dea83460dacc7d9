"""What waits for a person: approvals, incidents left to people, and faults of HemoStat itself. Pure."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from hemostat.core.history.incident_log import LEFT_TO_PEOPLE
from hemostat.core.history.status import IncidentStatus, RoleState, SystemStatus
from hemostat.core.ledger.controls import Approval
from hemostat.core.text import is_container_name
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_cause
from hemostat.events import Epoch, Kind, Outcome, Reason


class WaitingKind(StrEnum):
    """In the order of the list: an approval expires, the others stay."""

    APPROVAL = "approval"
    HOST = "host"
    ROLE = "role"
    ESCALATED = "escalated"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    DEAD_LETTERS = "dead letters"


class WaitingItem(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` are epoch seconds, None if unknown or without an end. `command` settles the item.
    It is quoted for a shell: roles write the ids and names in it. `id` is that of the approval or the
    incident, else empty."""

    kind: WaitingKind
    host: str
    subject: str
    since: Epoch | None
    why: str
    command: str
    id: str = ""
    until: Epoch | None = None
    acknowledged_by: str = ""
    note: str = ""
    """The note of the person who acknowledged it."""


class DeadLetterSummary(msgspec.Struct, frozen=True):
    """`time` is the newest dead letter's, in epoch seconds."""

    time: float
    text: str


def list_waiting(
    status: SystemStatus,
    approvals: Iterable[Approval],
    *,
    commands: Mapping[str, str] | None,
    dead_letters: DeadLetterSummary | None,
    now: float,
) -> tuple[WaitingItem, ...]:
    """All that waits for a person: acknowledged incidents last, else by kind and the oldest first. Every
    output counts and lists what waits by this. Neither a pause nor what a window holds back waits for a
    person: a person has set it.

    `approvals`: the known requests. An incident that waits for an unknown one stands for it. `commands`
    start the expected roles, by role; None: whether the roles run is not known, as in a replay.
    `dead_letters`: None if the newest is not recent.
    """
    approvals = list(approvals)
    known_incidents = {each.incident for each in approvals}
    kinds_of_failure = {each.incident: Kind(each.kind) for each in status.incidents}
    items = [
        *(
            _describe_approval(each, kinds_of_failure.get(each.incident), now)
            for each in approvals
            if each.is_open(now)
        ),
        *(_list_faults(status, commands, now) if commands is not None else ()),
        *(
            _describe_incident(each)
            for each in status.incidents
            if (each.status in LEFT_TO_PEOPLE and not _is_paused(each))
            or (each.status == Outcome.AWAITING_APPROVAL and each.incident not in known_incidents)
        ),
    ]
    if dead_letters is not None:
        items.append(
            WaitingItem(
                kind=WaitingKind.DEAD_LETTERS,
                host="",
                subject="Redis",
                since=dead_letters.time,
                why=dead_letters.text,
                command="hemostat doctor",
            )
        )
    kinds = list(WaitingKind)
    return tuple(
        sorted(
            items, key=lambda each: (bool(each.acknowledged_by), kinds.index(each.kind), each.since or 0.0)
        )
    )


def describe_acknowledgement(item: WaitingItem) -> str:
    """By whom, and the note; empty for an item without an acknowledgement."""
    note = f" ({item.note})" if item.note else ""
    return f"acknowledged by {item.acknowledged_by}{note}" if item.acknowledged_by else ""


def count_unacknowledged(items: Iterable[WaitingItem]) -> int:
    return sum(not each.acknowledged_by for each in items)


def _describe_approval(approval: Approval, kind: Kind | None, now: float) -> WaitingItem:
    """`kind`: what is wrong, None if that is not known."""
    plan = approval.plan or f"{approval.action} {approval.container}"
    cause = describe_cause(approval.cause, kind)
    return WaitingItem(
        kind=WaitingKind.APPROVAL,
        host=approval.host,
        subject=approval.container,
        since=approval.asked,
        until=approval.until,
        why="; ".join(filter(None, (plan, cause, f"{show_duration(approval.until - now)} left"))),
        command=shlex.join(("hemostat", "approve", approval.id)),
        id=approval.id,
    )


def _is_paused(incident: IncidentStatus) -> bool:
    return incident.status == Outcome.REFUSED and incident.reason == Reason.PAUSED


def _describe_incident(incident: IncidentStatus) -> WaitingItem:
    is_breaker = incident.status == Outcome.REFUSED and incident.reason == Reason.BREAKER_OPEN
    is_approval = incident.status == Outcome.AWAITING_APPROVAL
    command: tuple[str, ...] = ("close", incident.incident)
    if is_approval:
        command = ("approvals",)
    elif is_breaker and is_container_name(incident.container):
        command = ("reset", "--container", incident.container)
    return WaitingItem(
        kind=WaitingKind.APPROVAL if is_approval else WaitingKind(incident.status),
        host=incident.host,
        subject=incident.container,
        since=incident.since,
        why=f"{incident.problem}; {incident.last}",
        command=shlex.join(("hemostat", *command)),
        id=incident.incident,
        acknowledged_by=incident.acknowledged_by,
        note=incident.acknowledgement,
    )


def _list_faults(status: SystemStatus, commands: Mapping[str, str], now: float) -> Iterator[WaitingItem]:
    """Faults of HemoStat itself. A host without any heartbeat is one item, not one for each role."""
    if not status.running:
        yield _make_fault(WaitingKind.ROLE, "", "HemoStat", None, "no role is running", "all")
        return
    for name in status.missing:
        yield _make_fault(WaitingKind.ROLE, "", name, None, "not running", commands.get(name, "all"))
    roles_by_host: dict[str, list[RoleState]] = {}
    for role in status.roles:
        roles_by_host.setdefault(role.host, []).append(role)
    for host, roles in roles_by_host.items():
        silent = min(role.age for role in roles)
        if len(roles) > 1 and all(role.stale for role in roles):
            why = f"no heartbeat for {show_duration(silent)}"
            yield _make_fault(WaitingKind.HOST, host, host, now - silent, why, "all")
        else:
            yield from _list_role_faults(roles, commands, now)


def _list_role_faults(
    roles: Iterable[RoleState], commands: Mapping[str, str], now: float
) -> Iterator[WaitingItem]:
    for role in roles:
        if role.stale:
            command, why = commands.get(role.role, "all"), f"no heartbeat for {show_duration(role.age)}"
            yield _make_fault(WaitingKind.ROLE, role.host, role.role, now - role.age, why, command)
        elif role.trouble:
            command = _find_resume(role.trouble) or "doctor"
            yield _make_fault(WaitingKind.ROLE, role.host, role.role, None, role.trouble, command)


def _find_resume(trouble: str) -> str:
    """The command that ends the pause which a responder reports; empty for any other trouble."""
    subject, mark, _ = trouble.partition("paused by ")
    if not mark or not subject:
        return "resume" if mark else ""
    name = subject.rstrip()
    return shlex.join(("resume", "--container", name)) if is_container_name(name) else ""


def _make_fault(
    kind: WaitingKind, host: str, subject: str, since: float | None, why: str, command: str
) -> WaitingItem:
    return WaitingItem(
        kind=kind, host=host, subject=subject, since=since, why=why, command=f"hemostat {command}"
    )
