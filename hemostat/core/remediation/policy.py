"""The policy: decides whether a remediation may run now.

A decision is to act, resume, ask, wait or refuse. The rules are checked in this order, and the first
objection decides:
1. The same occurrence was handled, or is being handled: never twice. An attempt that was started and
   interrupted is resumed once no other action blocks it.
2. The request differs from what a monitor reported about its incident, or the incident is over. No person
   gave the order, or the engine has another name for its container. The same action was tried against the
   same incident before. The request is out of date, the container is protected, or the action is not allowed
   for it.
3. The container's budget of actions within the window is spent, or the cooldown after that has not passed.
   Orders have a budget of their own.
4. The circuit breaker of the container or of the host is open.
5. Remediation is paused: requests wait until the pause ends, and orders given meanwhile are refused. A window
   with the mode off is open: requests are refused, and orders are not.
6. An approval is needed, and is missing or was rejected. Orders count as approved. After a rejection, each
   further action against the incident needs an approval in every mode. While another action against the
   incident runs, no approval is requested.
7. The back-off since the last action has not passed; another action runs on this container or service; too
   many actions run on the host at once or started within a minute; too few other replicas are healthy: wait.
8. Dry run: all rules would allow the action, so it is reported and not done.

Orders are subject to the same rules, except those that check whether an action is needed.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from hemostat.core.detection.restart_owner import find_orchestrator
from hemostat.core.labels.definitions import ACTIONS, MIN_HEALTHY, MODE
from hemostat.core.labels.mistakes import explain_protection
from hemostat.core.labels.project import get_project
from hemostat.core.labels.values import Mode
from hemostat.core.ledger.controls import Controls
from hemostat.core.ledger.leases import get_lease_end
from hemostat.core.ledger.rows import RELEASED, Attempt, LedgerSnapshot
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation.approval_rule import (
    check_approval,
    is_approval_current,
    wait_for_attempt,
)
from hemostat.core.remediation.circuit_breaker import compute_container_breaker, compute_host_breaker
from hemostat.core.remediation.decision import (
    Act,
    Decision,
    DecisionInput,
    Refuse,
    RepeatOutcome,
    ReplicaHealth,
    Resume,
    Wait,
)
from hemostat.core.remediation.repetition import build_attempt_key, find_permission_needed, refuse_repetition
from hemostat.core.remediation.request_check import refuse_misdirected, refuse_order, refuse_unfounded
from hemostat.core.remediation.restart_budget import compute_backoff_end, compute_budget, compute_order_budget
from hemostat.core.remediation.slots import BUSY_RETRY_SECONDS, find_rush_wait, find_wait
from hemostat.core.remediation.windows import WindowState
from hemostat.core.settings.monitor import should_watch
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import get_replica_group
from hemostat.core.text import truncate
from hemostat.core.units import show_duration
from hemostat.core.wording import describe_reason
from hemostat.events import Action, Container, Kind, Reason, RemediationNeeded

PEOPLE_RETRY_SECONDS: Final = 1.0
"""Seconds until a request that waits for a person, or for another responder, is decided again."""

MAX_PAUSE_REASON: Final = 200
"""Characters of a pause's reason that an outcome repeats."""

MODES_BY_STRICTNESS: Final[Sequence[Mode]] = ("auto", "approve", "dry-run")


def decide(
    request: RemediationNeeded,
    incident: str,
    situation: DecisionInput,
    limits: ResponderSettings,
    *,
    by: str,
    lease: float,
    now: float,
) -> Decision:
    """Decide on `request` for the responder `by`, which needs at most `lease` seconds to act and verify."""
    container, book, order = request.alert.container, situation.book, situation.order
    action = find_permission_needed(request)
    name = build_attempt_key(request, incident)
    mode = find_strictest_mode(container, action, limits, situation.windows)
    closed = None if order is not None else refuse_in_window(container, situation.windows)
    # The answers of people count also after the mode has changed, because a window has closed for example.
    is_peoples = book.approval is not None or situation.rejected
    asks = order is None and (mode == "approve" or is_peoples)
    forbids = refuse_forbidden(container, action, limits, kind=request.alert.kind, ordered=order is not None)
    forged = None if order is None else refuse_order(order, request.alert.since, book)
    if forged is not None:
        return forged
    handled = _check_earlier_attempt(name, situation, by, now)
    if isinstance(handled, Attempt):
        return (
            _wait_for_resume(container, book.controls, now)
            or find_wait(name, container, action, situation, limits, now)
            or Resume(handled, now + lease, forbids or closed or _refuse_dry_run(mode))
        )
    has_current_approval = asks and is_approval_current(book.approval, limits, now)
    forced = order is not None and order.force and limits.orders_override
    return (
        handled
        or _refuse_invalid_request(request, incident, situation)
        or (None if has_current_approval else _refuse_expired(request, limits, now))
        or forbids
        or (
            None
            if forced
            else (
                _check_budget(book, limits, now) if order is None else _check_order_budget(book, limits, now)
            )
            or _check_breakers(container, situation, limits, now)
        )
        or (
            _wait_for_resume(container, book.controls, now)
            if order is None
            else _refuse_paused(container, book.controls, now)
        )
        or closed
        or (wait_for_attempt(incident, situation, now) if asks and book.approval is None else None)
        or (check_approval(request.action, book.approval, limits, now) if asks else None)
        or find_wait(name, container, action, situation, limits, now)
        or (None if forced else _check_pace(container, situation, limits, now))
        or _refuse_dry_run(mode)
        or Act(
            Attempt(
                key=name,
                container=container.name,
                container_id=container.id,
                service=get_replica_group(container, situation.trust),
                project=get_project(container),
                stop_seconds=situation.stop_seconds,
                verify_seconds=situation.verify_seconds,
                ran=situation.ran,
                action=request.action,
                time=now,
                by=by,
                lease=now + lease,
                ordered=order is not None,
            )
        )
    )


def find_strictest_mode(
    container: Container, action: Action, limits: ResponderSettings, windows: WindowState
) -> Mode:
    """The strictest of the modes that apply. A label with an invalid value means `approve`, because its
    author wanted a change of mode. `refuse_in_window` decides about the mode off."""
    label = MODE.read_from(container.labels)
    candidates = (
        limits.mode,
        limits.modes.get(action),
        limits.project_modes.get(container.project or ""),
        "approve" if label is None and MODE.name in container.labels else label,
        *(each.mode for each in windows.select(container.project)),
    )
    return MODES_BY_STRICTNESS[
        max(MODES_BY_STRICTNESS.index(each) for each in candidates if each in MODES_BY_STRICTNESS)
    ]


def refuse_in_window(container: Container, windows: WindowState) -> Refuse | None:
    """Rule 5, for windows. What still fails when the window closes is reported again by its monitor."""
    closed = next((each for each in windows.select(container.project) if each.mode == "off"), None)
    if closed is None:
        return None
    return Refuse(Reason.PAUSED, f"by the window {closed.label} until {closed.end}")


def _check_earlier_attempt(
    name: str, situation: DecisionInput, by: str, now: float
) -> Decision | Attempt | None:
    """The decision for an occurrence that has an attempt, or the attempt itself if it is to be resumed."""
    earlier = next((attempt for attempt in situation.book.attempts if attempt.key == name), None)
    if earlier is None:
        return None
    if earlier.outcome is not None:
        return RepeatOutcome(earlier)
    if earlier.by not in {by, RELEASED} and situation.is_leased(earlier, now):
        return Wait(min(get_lease_end(earlier), now + PEOPLE_RETRY_SECONDS), f"{earlier.by} is working on it")
    return earlier


def _refuse_invalid_request(
    request: RemediationNeeded, incident: str, situation: DecisionInput
) -> Refuse | None:
    """Rule 2, for the request itself."""
    if situation.order is not None:
        return refuse_misdirected(situation.order, request.alert.container)
    book = situation.book
    return refuse_unfounded(request, incident, book) or refuse_repetition(request, incident, book)


def _refuse_expired(request: RemediationNeeded, limits: ResponderSettings, now: float) -> Decision | None:
    age = now - request.alert.since
    start_text = "ordered" if request.alert.kind is Kind.ORDERED else "it began"
    return Refuse(Reason.EXPIRED, f"{start_text} {show_duration(age)} ago") if age > limits.expire else None


def refuse_forbidden(
    container: Container,
    action: Action,
    limits: ResponderSettings,
    *,
    kind: Kind | None = None,
    ordered: bool = False,
) -> Refuse | None:
    """`kind`: of the alert, None for an action without an alert of its own. `ordered`: requested by an
    operator. The label `hemostat.actions` and the setting `kinds` limit only automatic actions."""
    if why := explain_protection(container.labels, ordered=ordered):
        return Refuse(Reason.PROTECTED, why)
    if any(fnmatchcase(container.name, pattern) for pattern in limits.protect):
        return Refuse(Reason.PROTECTED, "responder.protect")
    if container.is_host and not (action is Action.CLEANUP and limits.cleanup_host):
        return Refuse(Reason.NOT_ALLOWED, "responder.cleanup_host is false")
    return (
        _refuse_unlisted_order(action, limits)
        if ordered
        else _refuse_unlisted_kind(kind, limits) or _refuse_unlisted_action(container, action, limits)
    )


def find_scaling_objection(container: Container, limits: ResponderSettings, *, ordered: bool) -> str:
    """Why a container must not be scaled; empty if it may be."""
    if not should_watch(container):
        return "it is not watched"
    refusal = refuse_forbidden(container, Action.SCALE, limits, ordered=ordered)
    return "" if refusal is None else describe_reason(refusal.reason, refusal.detail)


def _refuse_orchestrated(container: Container, action: Action, limits: ResponderSettings) -> Refuse | None:
    """An orchestrator replaces its own containers. If HemoStat also started them, they would run twice."""
    owner = find_orchestrator(container)
    if owner is None or limits.orchestrated or action not in {Action.RESTART, Action.START}:
        return None
    return Refuse(Reason.NOT_ALLOWED, f"managed by {owner.name}")


def find_stop_wait(book: LedgerSnapshot, info: ContainerInfo | None, now: float) -> Wait | None:
    """A wait if a person may be stopping the current process of the container."""
    stop = book.manual_stop
    if (
        stop is None
        or info is None
        or not info.is_running
        or info.started_at > stop.time
        or now >= stop.until
    ):
        return None
    return Wait(min(stop.until, now + PEOPLE_RETRY_SECONDS), "an operator is stopping it")


def _refuse_unlisted_order(action: Action, limits: ResponderSettings) -> Refuse | None:
    if action in limits.orders:
        return None
    return Refuse(Reason.NOT_ALLOWED, f"{action} is not in responder.orders")


def _refuse_unlisted_kind(kind: Kind | None, limits: ResponderSettings) -> Refuse | None:
    if kind is None or not limits.kinds or kind in limits.kinds:
        return None
    return Refuse(Reason.NOT_ALLOWED, f"{kind} is not in responder.kinds")


def _refuse_unlisted_action(container: Container, action: Action, limits: ResponderSettings) -> Refuse | None:
    if action is Action.STOP:
        return Refuse(Reason.NOT_ALLOWED, "only an operator can stop a container")
    if action not in limits.actions:
        return Refuse(Reason.NOT_ALLOWED, f"{action} is not in responder.actions")
    if owned := _refuse_orchestrated(container, action, limits):
        return owned
    allowed = ACTIONS.read_from(container.labels)
    if allowed is not None and action not in allowed:
        return Refuse(Reason.NOT_ALLOWED, f"{action} is not in the label {ACTIONS.name}")
    return None


def _check_budget(book: LedgerSnapshot, limits: ResponderSettings, now: float) -> Decision | None:
    """Rule 3."""
    budget = compute_budget(book.attempts, limits, now)
    if budget.limit == 0:
        return Refuse(Reason.BUDGET_SPENT, "responder.budget is 0")
    time_left = show_duration(max(0.0, budget.until - now))
    if budget.is_spent:
        used = f"{budget.used} of {budget.limit} in {show_duration(limits.budget_window)}"
        return Refuse(Reason.BUDGET_SPENT, f"{used}, again in {time_left}")
    return Refuse(Reason.COOLDOWN, f"for another {time_left}") if budget.until else None


def _check_order_budget(book: LedgerSnapshot, limits: ResponderSettings, now: float) -> Refuse | None:
    """Rule 3 for orders: automatic actions do not use up what a person may order."""
    budget = compute_order_budget(book.attempts, limits, now)
    if not budget.is_spent:
        return None
    way_out = "--force overrides it" if limits.orders_override else "responder.orders_budget sets it"
    if budget.limit == 0:
        return Refuse(Reason.BUDGET_SPENT, f"responder.orders_budget is 0; {way_out}")
    used = f"{budget.used} of {budget.limit} orders in {show_duration(limits.budget_window)}"
    again = show_duration(max(0.0, budget.until - now))
    return Refuse(Reason.BUDGET_SPENT, f"{used}, again in {again}; {way_out}")


def _check_breakers(
    container: Container, situation: DecisionInput, limits: ResponderSettings, now: float
) -> Decision | None:
    """Rule 4. A half-open breaker of the host allows one trial of each project at a time."""
    book, project = situation.book, get_project(container)
    own = compute_container_breaker(container.name, book.attempts, book, limits, now)
    host = compute_host_breaker(book, limits, now, project)
    for scope, state in (("container", own), ("host", host)):
        if not state.open:
            continue
        failed = f"{state.failures} failed remediations in a row"
        why = f"of the {scope}, after {failed}, for another {show_duration(state.until - now)}"
        if situation.order is not None:
            option = f" --container {container.name}" if scope == "container" else ""
            return Refuse(Reason.BREAKER_OPEN, f"{why}; hemostat reset{option} closes it")
        if scope == "container":
            return Refuse(Reason.BREAKER_OPEN, why)
        return Wait(min(state.until, now + PEOPLE_RETRY_SECONDS), why, Reason.BREAKER_OPEN)
    if host.half_open and any(each.project == project for each in situation.list_running_attempts(now)):
        return Wait(
            now + BUSY_RETRY_SECONDS,
            "the host's breaker is half-open, and a trial action of its project is in progress",
        )
    return None


def _wait_for_resume(container: Container, controls: Controls, now: float) -> Decision | None:
    pause = controls.find_pause(container.name, now)
    if pause is None:
        return None
    until = (
        now + PEOPLE_RETRY_SECONDS if pause.until is None else min(pause.until, now + PEOPLE_RETRY_SECONDS)
    )
    why = f" ({truncate(pause.reason, MAX_PAUSE_REASON)})" if pause.reason else ""
    return Wait(until, f"paused by {pause.by}{why}", Reason.PAUSED)


def _refuse_paused(container: Container, controls: Controls, now: float) -> Refuse | None:
    """Orders are refused during a pause, so that resuming does not run orders given long before."""
    pause = controls.find_pause(container.name, now)
    return None if pause is None else Refuse(Reason.PAUSED, f"by {pause.by}: resume, then order it again")


def _check_pace(
    container: Container, situation: DecisionInput, limits: ResponderSettings, now: float
) -> Decision | None:
    until, wait = compute_backoff_end(situation.book.attempts, limits, now)
    if until:
        return Wait(until, f"back-off of {show_duration(wait)}")
    rush = find_rush_wait(container, situation.ran, situation.book, limits, now)
    return rush or _check_healthy_replicas(container, situation.peers, limits, now)


def _check_healthy_replicas(
    container: Container, peers: ReplicaHealth, limits: ResponderSettings, now: float
) -> Decision | None:
    """Only a healthy container reduces the healthy replicas while it restarts, and a service with one replica
    has no other."""
    labelled = MIN_HEALTHY.read_from(container.labels)
    least = limits.min_healthy if labelled is None else labelled
    if not peers.itself or peers.size == 0 or peers.healthy >= least:
        return None
    why = f"{peers.healthy} of {peers.size} other replicas are healthy, {least} required"
    return Wait(now + PEOPLE_RETRY_SECONDS, why, Reason.MIN_HEALTHY)


def _refuse_dry_run(mode: Mode) -> Refuse | None:
    return Refuse(Reason.DRY_RUN, "no action was taken") if mode == "dry-run" else None
