"""Whether a remediation may be done now: act, resume, ask, wait or refuse, and why. Design, section 6.

The rules are asked in this order; the first that objects decides.
1. The same occurrence was handled before, or is being handled: never twice. What was begun is taken up, as
   soon as no other action stands in its way.
2. No monitor told of the incident, the request is out of date, the container is protected, or the action is
   not among those allowed for it.
3. The budget of actions an hour is spent, or the cooldown that follows it lasts.
4. The circuit breaker of the container or of the host is open.
5. Somebody has pressed the kill switch: wait until it is lifted.
6. A person must approve it, and has not, or has said no.
7. Back-off since the last action; another action on this container or service; too many on the host at once
   or within a minute; too few healthy replicas besides: wait.
8. Dry run: everything would have allowed it, so it is told and not done.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from hemostat.core import breaker
from hemostat.core.control import Answer, Approval, Controls
from hemostat.core.limits import Limits, Mode
from hemostat.core.model import Attempt, Book
from hemostat.core.restart import delay, streak
from hemostat.core.units import show_duration
from hemostat.events import Action, Container, Outcome, Reason, RemediationNeeded

BUSY_RETRY: Final = 0.5
"""Seconds until a request that another action stands in the way of is looked at again."""
PEOPLE_RETRY: Final = 1.0
"""The same for one that waits for a person."""

FREE: Final = frozenset({Outcome.NOT_APPLICABLE, Outcome.DRY_RUN, Outcome.REFUSED})
"""Outcomes for which nothing was done to the container, and so no budget is spent."""

STRICTNESS: Final[Sequence[Mode]] = ("auto", "approve", "dry-run")


RUSH_WINDOW: Final = 60.0


class Peers(msgspec.Struct, frozen=True):
    """The other replicas of the container's service: how many there are, and how many are healthy. `itself`
    is whether the container is healthy as far as the engine knows."""

    size: int = 0
    healthy: int = 0
    itself: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision is made on, besides the request: as read at one moment."""

    book: Book
    peers: Peers = Peers()


class Act(msgspec.Struct, frozen=True):
    """Reserve this attempt, then act."""

    attempt: Attempt


class Repeat(msgspec.Struct, frozen=True):
    """This attempt was finished: its outcome may not have been told, so tell it (again)."""

    attempt: Attempt


class Ask(msgspec.Struct, frozen=True):
    """Ask people, unless they have been asked; they have until then (epoch seconds)."""

    until: float


class Wait(msgspec.Struct, frozen=True):
    """Ask again at `until` (epoch seconds). `reason` is for people, where it may take long."""

    until: float
    why: str
    reason: Reason | None = None


class Refuse(msgspec.Struct, frozen=True):
    reason: Reason
    detail: str = ""


class Resume(msgspec.Struct, frozen=True):
    """This attempt was begun and not finished: look what became of it, then go on. Where there is an
    objection by now, what has not been done yet is not to be done any more. `lease` is until when it is now
    trusted to be at work (epoch seconds)."""

    attempt: Attempt
    lease: float
    objection: Refuse | None = None


Decision = Act | Resume | Repeat | Ask | Wait | Refuse


def key(request: RemediationNeeded, incident: str) -> str:
    """Names the one occurrence a request answers, however often it is delivered."""
    return f"{incident}:{request.alert.occurrence}:{request.rung}"


def decide(
    request: RemediationNeeded,
    incident: str,
    situation: Situation,
    limits: Limits,
    *,
    by: str,
    lease: float,
    now: float,
) -> Decision:
    """Decide on `request` for the responder `by`, which needs at most `lease` seconds to act and verify."""
    container, book = request.alert.container, situation.book
    name, mode = key(request, incident), mode_of(container, request.action, limits)
    handled = _handled(name, book, by, now)
    if isinstance(handled, Attempt):
        objection = forbidden(container, request.action, limits) or _rehearsed(mode)
        return (
            _halted(container, book.controls, now)
            or _occupied(name, container, book, limits, now)
            or Resume(handled, now + lease, objection)
        )
    approved = mode == "approve" and _is_fresh(book.approval, limits, now)
    return (
        handled
        or _unfounded(container, book)
        or (None if approved else _expired(request, limits, now))
        or forbidden(container, request.action, limits)
        or _spent(book, limits, now)
        or _broken(container, book, limits, now)
        or _halted(container, book.controls, now)
        or (_unapproved(book.approval, limits, now) if mode == "approve" else None)
        or _pause(name, container, situation, limits, now)
        or _rehearsed(mode)
        or Act(
            Attempt(
                key=name,
                container=container.name,
                service=service(container),
                action=request.action,
                time=now,
                by=by,
                lease=now + lease,
            )
        )
    )


def service(container: Container) -> str | None:
    """The compose service as project/service: what must never be acted on twice at a time."""
    if container.project is None or container.service is None:
        return None
    return f"{container.project}/{container.service}"


def mode_of(container: Container, action: Action, limits: Limits) -> Mode:
    """The strictest of the modes that apply. A label that says none of them asks a person: whoever set it
    wanted something else than before."""
    label = container.labels.get("hemostat.mode")
    named = (
        limits.mode,
        limits.modes.get(action),
        limits.project_modes.get(container.project or ""),
        label if label is None or label in STRICTNESS else "approve",
    )
    return STRICTNESS[max(STRICTNESS.index(each) for each in named if each in STRICTNESS)]


def _handled(name: str, book: Book, by: str, now: float) -> Decision | Attempt | None:
    """The attempt itself where it is to be taken up."""
    earlier = next((attempt for attempt in book.attempts if attempt.key == name), None)
    if earlier is None:
        return None
    if earlier.outcome is not None:
        return Repeat(earlier)
    if earlier.by != by and earlier.lease > now:
        return Wait(earlier.lease, f"{earlier.by} is at work on it")
    return earlier


def _unfounded(container: Container, book: Book) -> Refuse | None:
    """Whoever writes requests does not rule over all containers: an alert must have named this one."""
    if book.patient == container.name:
        return None
    why = f"it is {book.patient}'s" if book.patient else "no monitor told of it"
    return Refuse(Reason.UNKNOWN_INCIDENT, why)


def _expired(request: RemediationNeeded, limits: Limits, now: float) -> Decision | None:
    age = now - request.alert.since
    return Refuse(Reason.EXPIRED, f"it began {show_duration(age)} ago") if age > limits.expire else None


def forbidden(container: Container, action: Action, limits: Limits) -> Refuse | None:
    if _truthy(container.labels.get("hemostat.protect", "")):
        return Refuse(Reason.PROTECTED, "label hemostat.protect")
    if any(fnmatchcase(container.name, pattern) for pattern in limits.protect):
        return Refuse(Reason.PROTECTED, "responder.protect")
    if container.is_host and not (action is Action.CLEANUP and limits.cleanup_host):
        return Refuse(Reason.NOT_ALLOWED, "responder.cleanup_host is false")
    if action not in limits.actions:
        return Refuse(Reason.NOT_ALLOWED, f"{action} is not in responder.actions")
    allowed = container.labels.get("hemostat.actions")
    if allowed is not None and action not in {word.strip() for word in allowed.split(",")}:
        return Refuse(Reason.NOT_ALLOWED, f"{action} is not in the label hemostat.actions")
    return None


def _spent(book: Book, limits: Limits, now: float) -> Decision | None:
    """Rule 3. `limits.budget` actions within the window start a cooldown at the last of them."""
    times = [attempt.time for attempt in book.attempts if attempt.outcome not in FREE]
    if limits.budget == 0:
        return Refuse(Reason.BUDGET_SPENT, "responder.budget is 0")
    in_window = [time for time in times if now - time < limits.budget_window]
    if len(in_window) >= limits.budget:
        again = in_window[-limits.budget] + limits.budget_window
        again = max(again, in_window[-1] + limits.cooldown)
        used = f"{len(in_window)} of {limits.budget} in {show_duration(limits.budget_window)}"
        return Refuse(Reason.BUDGET_SPENT, f"{used}, again in {show_duration(again - now)}")
    for first, last in zip(times, times[limits.budget - 1 :], strict=False):
        if last - first < limits.budget_window and now - last < limits.cooldown:
            return Refuse(Reason.COOLDOWN, f"for another {show_duration(last + limits.cooldown - now)}")
    return None


def _broken(container: Container, book: Book, limits: Limits, now: float) -> Decision | None:
    """Rule 4. A half-open breaker lets one trial through, so another one in hand is waited for."""
    since = book.controls.reset(container.name)
    own = breaker.of(book.attempts, limits.breaker_failures, limits.breaker_open, since=since, now=now)
    everywhere = book.controls.resets.get("*", 0.0)
    host = breaker.of(
        book.ended,
        limits.host_breaker_failures,
        limits.breaker_open,
        since=everywhere,
        now=now,
        spread=True,
    )
    for what, state in (("container", own), ("host", host)):
        if state.open:
            left = show_duration(state.until - now)
            failed = f"{state.failures} failed remediations in a row"
            return Refuse(Reason.BREAKER_OPEN, f"of the {what}, after {failed}, for another {left}")
    if host.half_open and any(attempt.lease > now for attempt in book.running):
        return Wait(now + BUSY_RETRY, "the host's breaker is half open, and a trial is under way")
    return None


def _halted(container: Container, controls: Controls, now: float) -> Decision | None:
    pause = controls.paused(container.name, now)
    if pause is None:
        return None
    until = now + PEOPLE_RETRY if pause.until is None else min(pause.until, now + PEOPLE_RETRY)
    return Wait(until, f"paused by {pause.by}", Reason.PAUSED)


def _unapproved(approval: Approval | None, limits: Limits, now: float) -> Decision | None:
    if approval is None:
        return Ask(now + limits.approve_for)
    if approval.answer is Answer.REJECTED:
        why = f": {approval.reason}" if approval.reason else ""
        return Refuse(Reason.REJECTED, f"by {approval.by}{why}")
    if approval.answer is Answer.APPROVED:
        return None
    if now >= approval.until:
        return Refuse(Reason.NO_ANSWER, f"nobody approved it within {show_duration(limits.approve_for)}")
    return Ask(approval.until)


def _is_fresh(approval: Approval | None, limits: Limits, now: float) -> bool:
    """A yes makes up for a failure's age, until it is as old itself: a pause may have held it since."""
    if approval is None or approval.answer is not Answer.APPROVED:
        return False
    return now - approval.answered <= limits.expire


def _pause(
    name: str, container: Container, situation: Situation, limits: Limits, now: float
) -> Decision | None:
    book = situation.book
    ends = [a.finished or a.time for a in book.attempts if a.outcome not in FREE]
    wait = delay(streak(ends, now, limits.backoff_reset), limits.backoff, limits.backoff_max)
    if ends and abs(now - ends[-1]) < wait:  # a clock that was set back makes nobody wait for longer
        return Wait(min(ends[-1], now) + wait, f"back-off of {show_duration(wait)}")
    return (
        _occupied(name, container, book, limits, now)
        or _rushed(book, limits, now)
        or _thinned(container, situation.peers, limits, now)
    )


def _occupied(name: str, container: Container, book: Book, limits: Limits, now: float) -> Decision | None:
    """What others are at work on. One whose lease is over may have lost its place to them."""
    held = [other for other in book.running if other.lease > now and other.key != name]
    group = service(container)
    for other in held:
        if other.container == container.name or (group and other.service == group):
            return Wait(now + BUSY_RETRY, f"{other.action} of {other.container} is under way")
    if len(held) >= limits.concurrency:
        return Wait(now + BUSY_RETRY, f"{limits.concurrency} actions are under way")
    return None


def _rushed(book: Book, limits: Limits, now: float) -> Decision | None:
    begun = sorted(a.time for a in (*book.ended, *book.running) if a.outcome not in FREE)
    recent = [time for time in begun if abs(now - time) < RUSH_WINDOW]
    if len(recent) < limits.rush:
        return None
    until = max(recent[-limits.rush] + RUSH_WINDOW, now + BUSY_RETRY)
    return Wait(until, f"{len(recent)} actions on this host within a minute")


def _thinned(container: Container, peers: Peers, limits: Limits, now: float) -> Decision | None:
    """Only what is healthy is missed while it restarts, and a service of one has nobody to stand in."""
    text = container.labels.get("hemostat.min_healthy", "")
    least = int(text) if text.isdigit() else limits.min_healthy
    if not peers.itself or peers.size == 0 or peers.healthy >= least:
        return None
    why = f"{peers.healthy} of {peers.size} other replicas are healthy, {least} must be"
    return Wait(now + PEOPLE_RETRY, why, Reason.MIN_HEALTHY)


def _rehearsed(mode: Mode) -> Refuse | None:
    return Refuse(Reason.DRY_RUN, "nothing was done") if mode == "dry-run" else None


def _truthy(text: str) -> bool:
    return text.lower() in {"true", "yes", "1", "on"}
