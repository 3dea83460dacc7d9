"""The slots of a host: how many actions run at the same time, begin within a minute, and whose they are.

All containers of the host share them. So one project holds at most half of the slots where containers of
others fail, and leaves one slot where they are well. All slow stops together hold at most half: a
container that only needs a start finds a slot.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.core.decision import Others, Situation, Wait
from hemostat.core.limits import Limits
from hemostat.core.model import Attempt, Book
from hemostat.core.project import project_of
from hemostat.core.standing import FREE
from hemostat.core.stopping import DEFAULT_STOP_SECONDS
from hemostat.core.trust import replica_group
from hemostat.events import Container

BUSY_RETRY: Final = 0.5
"""Seconds until a request that another action stands in the way of is looked at again."""
RUSH_SECONDS: Final = 60.0
SLOT_SECONDS: Final = 120.0
"""How long an action takes one of the slots of a host: one that is verified for longer, for its container is
slow to come up, keeps no other waiting."""


def half(limit: int) -> int:
    return max(1, limit // 2)


def find_wait(
    name: str, container: Container, situation: Situation, limits: Limits, now: float
) -> Wait | None:
    """What others are at work on, that the attempt of this key must wait for. An attempt whose lease is over
    may have lost its place to them."""
    held = [other for other in situation.under_way(now) if other.key != name]
    group = replica_group(container, situation.trust)
    for other in held:
        if other.container == container.name or (group and other.service == group):
            return Wait(now + BUSY_RETRY, f"{other.action} of {other.container} is under way")
    why = _find_full(container, occupied(held, now), situation, limits)
    return Wait(now + BUSY_RETRY, why) if why else None


def occupied(held: Iterable[Attempt], now: float) -> list[Attempt]:
    """Those that take a slot."""
    return [other for other in held if now - other.time < SLOT_SECONDS]


def _find_full(container: Container, slots: Sequence[Attempt], situation: Situation, limits: Limits) -> str:
    if len(slots) >= limits.concurrency:
        return f"{limits.concurrency} actions are under way"
    own = _count_own(container, slots)
    if own >= share(situation.others, limits.concurrency):
        return f"{own} actions on containers of its project are under way"
    slow = sum(other.stop_seconds > DEFAULT_STOP_SECONDS for other in slots)
    if situation.stop_seconds > DEFAULT_STOP_SECONDS and slow >= half(limits.concurrency):
        return f"{slow} containers that are slow to stop are being stopped"
    return ""


def share(others: Others, concurrency: int) -> int:
    """Slots that one project may hold: where all of the others are well, one slot is left for them."""
    if others is Others.NONE:
        return concurrency
    return half(concurrency) if others is Others.FAILING else max(half(concurrency), concurrency - 1)


def has_half(container: Container, slots: Iterable[Attempt], limits: Limits) -> bool:
    """Whether the container's project holds half of the slots, so that the state of the others matters."""
    return _count_own(container, slots) >= half(limits.concurrency)


def _count_own(container: Container, slots: Iterable[Attempt]) -> int:
    own = project_of(container)
    return sum(_project(other) == own for other in slots)


def find_rush(container: Container, book: Book, limits: Limits, now: float) -> Wait | None:
    """What one project has begun beyond half of the limit keeps only itself waiting."""
    begun: dict[str, list[float]] = defaultdict(list)
    for each in sorted((*book.ended, *book.running), key=lambda attempt: attempt.time):
        if each.outcome not in FREE and abs(now - each.time) < RUSH_SECONDS:
            begun[_project(each)].append(each.time)
    own, most = project_of(container), half(limits.rush)
    recent = sorted(
        time for project, times in begun.items() for time in (times if project == own else times[-most:])
    )
    if len(recent) < limits.rush:
        return None
    until = max(recent[-limits.rush] + RUSH_SECONDS, now + BUSY_RETRY)
    return Wait(until, f"{len(recent)} actions on this host within a minute")


def _project(attempt: Attempt) -> str:
    """Older versions wrote no project, but the service."""
    return attempt.project or (attempt.service or "").partition("/")[0]
