"""Whether a remediation may be done now: act, resume, wait or refuse, and why. Design, section 6.

The rules are asked in this order; the first that objects decides.
1. The same occurrence was handled before, or is being handled: never twice.
2. The request is out of date, the container is protected, or the action is not among those allowed for it.
3. The budget of actions an hour is spent, or the cooldown that follows it lasts.
4. Back-off since the last action; another action on this container or service; too many on the host: wait.
5. Dry run: everything would have allowed it, so it is told and not done.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from hemostat.core.model import Attempt, Book
from hemostat.core.restart import delay, streak
from hemostat.core.units import Seconds, show_duration
from hemostat.events import Action, Container, Outcome, Reason, RemediationNeeded

BUSY_RETRY: Final = 0.5
"""Seconds until a request that another action stands in the way of is looked at again."""

FREE: Final = frozenset({Outcome.NOT_APPLICABLE, Outcome.DRY_RUN})
"""Outcomes for which nothing was done to the container, and so no budget is spent."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `responder`."""

    mode: Literal["auto", "dry-run"] = "auto"
    """`dry-run` tells what would be done, and does nothing."""
    actions: tuple[Action, ...] = (Action.RESTART, Action.START, Action.CLEANUP)
    """What may be done at all. The label `hemostat.actions` narrows it for one container."""
    protect: tuple[str, ...] = ()
    """Names of containers never to be touched; `*` and `?` match."""
    budget: Annotated[int, Meta(ge=0)] = 3
    """Actions on one container within `budget_window`."""
    budget_window: Seconds = 3600.0
    cooldown: Seconds = 3600.0
    """How long a container is left alone once its budget is spent."""
    backoff: Seconds = 10.0
    """Wait after the first action on a container, doubling with each further one."""
    backoff_max: Seconds = 300.0
    backoff_reset: Seconds = 600.0
    """So long without an action, and the back-off begins anew."""
    concurrency: Annotated[int, Meta(ge=1)] = 4
    """Actions at the same time on one host."""
    expire: Seconds = 900.0
    """A failure that began longer ago is not acted on any more: a person has come to terms with it."""
    verify_for: Seconds = 2.0
    """How long a container must be well after an action to count as healed."""
    verify_timeout: Seconds = 60.0
    """How long it may take to become well."""


class Act(msgspec.Struct, frozen=True):
    """Reserve this attempt, then act."""

    attempt: Attempt


class Resume(msgspec.Struct, frozen=True):
    """This attempt was begun and not finished: look what became of it, then go on."""

    attempt: Attempt


class Repeat(msgspec.Struct, frozen=True):
    """This attempt was finished: its outcome may not have been told, so tell it (again)."""

    attempt: Attempt


class Wait(msgspec.Struct, frozen=True):
    """Ask again at `until` (epoch seconds)."""

    until: float
    why: str


class Refuse(msgspec.Struct, frozen=True):
    reason: Reason
    detail: str = ""


Decision = Act | Resume | Repeat | Wait | Refuse


def key(request: RemediationNeeded, incident: str) -> str:
    """Names the one occurrence a request answers, however often it is delivered."""
    return f"{incident}:{request.alert.occurrence}:{request.rung}"


def decide(
    request: RemediationNeeded,
    incident: str,
    book: Book,
    limits: Limits,
    *,
    by: str,
    lease: float,
    now: float,
) -> Decision:
    """Decide on `request` for the responder `by`, which needs at most `lease` seconds to act and verify."""
    container = request.alert.container
    name = key(request, incident)
    return (
        _handled(name, book, by, now)
        or _expired(request, limits, now)
        or _forbidden(container, request.action, limits)
        or _spent(book, limits, now)
        or _pause(container, book, limits, now)
        or _rehearsed(container, limits)
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


def _handled(name: str, book: Book, by: str, now: float) -> Decision | None:
    earlier = next((attempt for attempt in book.attempts if attempt.key == name), None)
    if earlier is None:
        return None
    if earlier.outcome is not None:
        return Repeat(earlier)
    if earlier.by != by and earlier.lease > now:
        return Wait(earlier.lease, f"{earlier.by} is at work on it")
    return Resume(earlier)


def _expired(request: RemediationNeeded, limits: Limits, now: float) -> Decision | None:
    age = now - request.alert.since
    return Refuse(Reason.EXPIRED, f"it began {show_duration(age)} ago") if age > limits.expire else None


def _forbidden(container: Container, action: Action, limits: Limits) -> Decision | None:
    if _truthy(container.labels.get("hemostat.protect", "")):
        return Refuse(Reason.PROTECTED, "label hemostat.protect")
    if any(fnmatchcase(container.name, pattern) for pattern in limits.protect):
        return Refuse(Reason.PROTECTED, "responder.protect")
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


def _pause(container: Container, book: Book, limits: Limits, now: float) -> Decision | None:
    ends = [a.finished or a.time for a in book.attempts if a.outcome not in FREE]
    wait = delay(streak(ends, now, limits.backoff_reset), limits.backoff, limits.backoff_max)
    if ends and now < ends[-1] + wait:
        return Wait(ends[-1] + wait, f"back-off of {show_duration(wait)}")
    group = service(container)
    for other in book.running:
        if other.lease > now and (other.container == container.name or (group and other.service == group)):
            return Wait(now + BUSY_RETRY, f"{other.action} of {other.container} is under way")
    if sum(other.lease > now for other in book.running) >= limits.concurrency:
        return Wait(now + BUSY_RETRY, f"{limits.concurrency} actions are under way")
    return None


def _rehearsed(container: Container, limits: Limits) -> Decision | None:
    mode = "dry-run" if container.labels.get("hemostat.mode") == "dry-run" else limits.mode
    return Refuse(Reason.DRY_RUN, "nothing was done") if mode == "dry-run" else None


def _truthy(text: str) -> bool:
    return text.lower() in {"true", "yes", "1", "on"}
