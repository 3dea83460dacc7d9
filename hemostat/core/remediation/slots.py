"""The slots of a host: how many actions run at once, how many start within a minute, and their projects.

All containers of the host share the slots. One project holds at most half of them while containers of other
projects fail, and leaves one slot free while they are healthy. Labels name projects, so one user may name
many. Three rules therefore hold whatever the names: an action holds a slot only for the time that the engine
needs; actions that first stop a container leave one slot free; long actions hold at most half of the slots.
So an action that is only a start gets a slot within START_SECONDS.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.core.labels.project import get_project, limit_others, limit_per_project
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.decision import DecisionInput, OtherProjects, Wait
from hemostat.core.remediation.restart_budget import is_free
from hemostat.core.remediation.stop_timeout import DEFAULT_STOP_SECONDS
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import get_replica_group
from hemostat.events import Action, Container

BUSY_RETRY_SECONDS: Final = 0.5
"""Seconds until a request that another action blocks is decided again."""
RUSH_WINDOW_SECONDS: Final = 60.0
START_SECONDS: Final = 5.0
"""Seconds that a start holds a slot. The time that the container then takes to become ready depends on the
container and must not delay others."""
OTHER_ACTION_SECONDS: Final = 120.0
"""Seconds that an action other than a start, a restart or a stop holds a slot."""
SLOW_SECONDS: Final = DEFAULT_STOP_SECONDS + START_SECONDS
"""An action that holds a slot for longer than these seconds counts as long."""
MIN_RUN_SHARE: Final = 0.1
MAX_RUN_SECONDS: Final = 86400.0
"""Longer runs count as this long."""


def compute_slot_seconds(action: Action, stop_seconds: float) -> float:
    """Seconds that the action holds a slot: the time to stop plus the time to start."""
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
    """The wait for other running actions that block the attempt with the key `name`; None if none does. An
    attempt whose lease has expired may have lost its slot to them."""
    running_attempts = [attempt for attempt in situation.list_running_attempts(now) if attempt.key != name]
    group = get_replica_group(container, situation.trust)
    for attempt in running_attempts:
        if attempt.is_on(container) or (group and attempt.service == group):
            return Wait(now + BUSY_RETRY_SECONDS, f"{attempt.action} of {attempt.container} is under way")
    seconds = compute_slot_seconds(action, situation.stop_seconds)
    why = _find_slot_shortage(
        container, seconds, select_slot_holders(running_attempts, now), situation.others, limits
    )
    return Wait(now + BUSY_RETRY_SECONDS, why) if why else None


def select_slot_holders(attempts: Iterable[Attempt], now: float) -> list[Attempt]:
    """The attempts that hold a slot."""
    return [attempt for attempt in attempts if now < compute_slot_end(attempt)]


def _find_slot_shortage(
    container: Container,
    seconds: float,
    slots: Sequence[Attempt],
    other_projects: OtherProjects,
    limits: ResponderSettings,
) -> str:
    """Why no slot is free; empty if one is. `seconds` is how long the action would hold a slot."""
    if len(slots) >= limits.concurrency:
        return f"{limits.concurrency} actions are under way"
    own = _count_own(container, slots)
    if own >= compute_project_share(other_projects, limits.concurrency):
        return f"{own} actions on containers of its project are under way"
    lengths = [compute_slot_seconds(each.action, each.stop_seconds) for each in slots]
    for longer, most in (
        (SLOW_SECONDS, limit_per_project(limits.concurrency)),
        (START_SECONDS, leave_one_free(limits.concurrency)),
    ):
        many = sum(length > longer for length in lengths)
        if seconds > longer and many >= most:
            return f"{many} long-running actions are under way"
    return ""


def leave_one_free(limit: int) -> int:
    """The limit less one, but at least half."""
    return max(limit_per_project(limit), limit - 1)


def compute_project_share(other_projects: OtherProjects, concurrency: int) -> int:
    """Slots that one project may hold. If all other projects are healthy, one slot is left for them."""
    if other_projects is OtherProjects.NONE:
        return concurrency
    return (
        limit_per_project(concurrency)
        if other_projects is OtherProjects.FAILING
        else leave_one_free(concurrency)
    )


def has_half_of_slots(container: Container, slots: Iterable[Attempt], limits: ResponderSettings) -> bool:
    """Whether the container's project holds half of the slots, so that the state of other projects
    matters."""
    return _count_own(container, slots) >= limit_per_project(limits.concurrency)


def _count_own(container: Container, slots: Iterable[Attempt]) -> int:
    own = get_project(container)
    return sum(_get_project(attempt) == own for attempt in slots)


def find_rush_wait(
    container: Container, ran: float, book: LedgerSnapshot, limits: ResponderSettings, now: float
) -> Wait | None:
    """The wait because too many actions started on the host within a minute; None without a wait. Of each
    other project, actions up to half of the limit count. A container that had run for `ran` seconds before it
    failed does not wait for actions of other projects whose containers had run for a small fraction of that:
    new project names cost nothing, but a long run cannot be produced within minutes."""
    own, least = get_project(container), MIN_RUN_SHARE * min(ran, MAX_RUN_SECONDS)
    recent = [
        each
        for each in (*book.ended_attempts, *book.running_attempts)
        if not is_free(each)
        and abs(now - each.time) < RUSH_WINDOW_SECONDS
        and (_get_project(each) == own or each.ran >= least)
    ]
    recent.sort(key=lambda attempt: attempt.time, reverse=True)
    counted_attempts = limit_others(own, recent, limit_per_project(limits.rush), _get_project)
    if len(counted_attempts) < limits.rush:
        return None
    until = max(counted_attempts[limits.rush - 1].time + RUSH_WINDOW_SECONDS, now + BUSY_RETRY_SECONDS)
    return Wait(until, f"{len(counted_attempts)} actions on this host within a minute")


def _get_project(attempt: Attempt) -> str:
    """The attempt's project. Rows of older versions hold the service instead."""
    return attempt.project or (attempt.service or "").partition("/")[0]
