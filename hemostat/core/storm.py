"""Many at once: when so many containers fail together that it is not they who are at fault.

Rule 1. A storm begins with the failure by which `count` different containers, and at least one in SHARE of
        those watched, have failed within `window`: the host, the engine or what they all need is at fault.
Rule 2. While it lasts every failure is part of it.
Rule 3. It is over when nothing has failed for `window`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from hemostat.events import Evidence, Kind

SHARE: Final = 3
KINDS: Final = frozenset({Kind.EXITED, Kind.CRASH_LOOP, Kind.OOM, Kind.UNHEALTHY, Kind.HUNG})
"""What counts as a failure: that many containers are busy at the same time is no storm."""
NAMED: Final = 10


class Failure(msgspec.Struct, frozen=True):
    """`container` is its id."""

    time: float
    container: str
    kind: Kind


class Storm(msgspec.Struct, frozen=True):
    """`failures` are those within the window, in a storm all since it began: the last of each container, by
    time. `since` is when the first failure of a storm was (epoch seconds); None where there is none."""

    failures: tuple[Failure, ...] = ()
    since: float | None = None


class Verdict(NamedTuple):
    """Whether a failure is part of a storm, and whether it is the one by which it `began`."""

    raging: bool
    began: bool = False


def gather(
    storm: Storm, container_id: str, kind: Kind, now: float, *, count: int, window: float, running: int
) -> tuple[Storm, Verdict]:
    """One more failure. `running` is how many containers are watched, those that have failed among them."""
    if kind not in KINDS:
        return storm, Verdict(raging=False)
    others = tuple(each for each in storm.failures if each.container != container_id)
    failure = Failure(now, container_id, kind)
    if not is_over(storm, now, window=window):
        return Storm((*others, failure), storm.since), Verdict(raging=True)
    failures = (*(each for each in others if 0 <= now - each.time <= window), failure)
    if len(failures) < count or len(failures) * SHARE < running:
        return Storm(failures), Verdict(raging=False)
    return Storm(failures, failures[0].time), Verdict(raging=True, began=True)


def is_over(storm: Storm, now: float, *, window: float) -> bool:
    """Whether there is no storm (any more). A clock set back ends it too."""
    return storm.since is None or not (storm.failures and 0 <= now - storm.failures[-1].time < window)


def evidence(storm: Storm, names: Mapping[str, str]) -> tuple[Evidence, ...]:
    """How many containers, which, and what is wrong with them. `names` is by id."""
    named = sorted(names.get(each.container, each.container[:12]) for each in storm.failures)
    more = len(named) - NAMED
    kinds = Counter(each.kind for each in storm.failures)
    return (
        Evidence("storm", len(named)),
        Evidence("containers", ", ".join(named[:NAMED]) + (f" and {more} more" if more > 0 else "")),
        Evidence("kinds", ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))),
    )
