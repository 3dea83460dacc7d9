"""The slots of a host: how many actions run at the same time, begin within a minute, and whose they are.

All containers of the host share them. So one project holds at most half of the slots where containers of
others fail, and leaves one slot where they are well. Labels name projects, so anybody may name many:
whatever the names, an action holds a slot for no longer than the engine needs for it, those that stop a
container first leave one slot free, and those that take long hold at most half. What only needs a start finds
a slot within START_SECONDS.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.core.labels.project import get_project, limit_others, limit_per_project
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.decision import DecisionInput, OtherProjects, Wait
from hemostat.core.remediation.limit_status import FREE_OUTCOMES
from hemostat.core.remediation.stop_timeout import DEFAULT_STOP_SECONDS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import get_replica_group
from hemostat.events import Action, Container

BUSY_RETRY_SECONDS: Final = 0.5
"""Seconds until a request that another action stands in the way of is looked at again."""
RUSH_WINDOW_SECONDS: Final = 60.0
START_SECONDS: Final = 5.0
"""How long a start takes a slot. How long its container then takes to come up is its own affair: it decides
that itself, and keeps no other waiting."""
OTHER_ACTION_SECONDS: Final = 120.0
"""How long another action than a start, a restart or a stop takes one."""
SLOW_SECONDS: Final = DEFAULT_STOP_SECONDS + START_SECONDS
"""An action that takes a slot for longer takes long."""
MIN_RUN_SHARE: Final = 0.1
MAX_RUN_SECONDS: Final = 86400.0
"""Seconds of which a longer run counts no more."""


def compute_slot_seconds(action: Action, stop_seconds: float) -> float:
    """How long this action takes a slot: a stop, and a start."""
    if action in {Action.START, Action.RESTART, Action.STOP}:
        return min(stop_seconds, OTHER_ACTION_SECONDS) + START_SECONDS
    return OTHER_ACTION_SECONDS


def compute_slot_end(attempt: Attempt) -> float:
    return attempt.time + compute_slot_seconds(attempt.action, attempt.stop_seconds)


def find_wait(
    name: str,
    container: Container,
    action: Action,
    situation: DecisionInput,
    limits: ResponderSettings,
    now: float,
) -> Wait | None:
    """What others are at work on, that the attempt of this key must wait for. An attempt whose lease is over
    may have lost its place to them."""
    held = [other for other in situation.under_way(now) if other.key != name]
    group = get_replica_group(container, situation.trust)
    for other in held:
        if other.container == container.name or (group and other.service == group):
            return Wait(now + BUSY_RETRY_SECONDS, f"{other.action} of {other.container} is under way")
    seconds = compute_slot_seconds(action, situation.stop_seconds)
    why = _find_slot_shortage(container, seconds, select_slot_holders(held, now), situation.others, limits)
    return Wait(now + BUSY_RETRY_SECONDS, why) if why else None


def select_slot_holders(held: Iterable[Attempt], now: float) -> list[Attempt]:
    """Those that take a slot."""
    return [other for other in held if now < compute_slot_end(other)]


def _find_slot_shortage(
    container: Container,
    seconds: float,
    slots: Sequence[Attempt],
    others: OtherProjects,
    limits: ResponderSettings,
) -> str:
    """`seconds`: how long the action would take a slot."""
    if len(slots) >= limits.concurrency:
        return f"{limits.concurrency} actions are under way"
    own = _count_own(container, slots)
    if own >= compute_project_share(others, limits.concurrency):
        return f"{own} actions on containers of its project are under way"
    lengths = [compute_slot_seconds(each.action, each.stop_seconds) for each in slots]
    for longer, most in (
        (SLOW_SECONDS, limit_per_project(limits.concurrency)),
        (START_SECONDS, leave_one_free(limits.concurrency)),
    ):
        many = sum(length > longer for length in lengths)
        if seconds > longer and many >= most:
            return f"{many} actions that take long are under way"
    return ""


def leave_one_free(limit: int) -> int:
    """All but one, and half at least."""
    return max(limit_per_project(limit), limit - 1)


def compute_project_share(others: OtherProjects, concurrency: int) -> int:
    """Slots that one project may hold: where all of the others are well, one slot is left for them."""
    if others is OtherProjects.NONE:
        return concurrency
    return limit_per_project(concurrency) if others is OtherProjects.FAILING else leave_one_free(concurrency)


def has_half_of_slots(container: Container, slots: Iterable[Attempt], limits: ResponderSettings) -> bool:
    """Whether the container's project holds half of the slots, so that the state of the others matters."""
    return _count_own(container, slots) >= limit_per_project(limits.concurrency)


def _count_own(container: Container, slots: Iterable[Attempt]) -> int:
    own = get_project(container)
    return sum(_get_project(other) == own for other in slots)


def find_rush_wait(
    container: Container, ran: float, book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> Wait | None:
    """What one project has begun beyond half of the limit keeps only itself waiting. A container that had run
    for `ran` seconds before it failed does not wait for those of other projects that had run for a small part
    of that: a name costs nothing, and a long run cannot be had again within minutes."""
    own, least = get_project(container), MIN_RUN_SHARE * min(ran, MAX_RUN_SECONDS)
    recent = [
        each
        for each in (*book.ended, *book.running)
        if each.outcome not in FREE_OUTCOMES
        and abs(now - each.time) < RUSH_WINDOW_SECONDS
        and (_get_project(each) == own or each.ran >= least)
    ]
    recent.sort(key=lambda attempt: attempt.time, reverse=True)
    counted = limit_others(own, recent, limit_per_project(limits.rush), _get_project)
    if len(counted) < limits.rush:
        return None
    until = max(counted[limits.rush - 1].time + RUSH_WINDOW_SECONDS, now + BUSY_RETRY_SECONDS)
    return Wait(until, f"{len(counted)} actions on this host within a minute")


def _get_project(attempt: Attempt) -> str:
    """Older versions wrote no project, but the service."""
    return attempt.project or (attempt.service or "").partition("/")[0]
