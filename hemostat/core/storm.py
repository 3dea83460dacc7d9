"""Many at once: when so many containers fail together that it is not they who are at fault.

Rule 1. A storm begins with the failure by which `count` different containers, and at least one in SHARE of
        those watched, have failed within `window`: the host, the engine or what they all need is at fault.
Rule 2. While it lasts every failure is part of it.
Rule 3. It is over when nothing has failed for `window`.
"""

from collections import Counter
from enum import Enum
from typing import Final

import msgspec

from hemostat.events import Container, Evidence, Kind

SHARE: Final = 3
KINDS: Final = frozenset({Kind.EXITED, Kind.CRASH_LOOP, Kind.OOM, Kind.UNHEALTHY, Kind.HUNG})
"""What counts as a failure: that many containers are busy at the same time is no storm."""
NAMED: Final = 10


class Failure(msgspec.Struct, frozen=True):
    time: float
    container: str
    """Its id."""
    name: str
    kind: Kind


class Storm(msgspec.Struct, frozen=True):
    """`failures` are those within the window, in a storm all since it began: the last of each container, by
    time. `since` is when the first failure of a storm was (epoch seconds); None where there is none."""

    failures: tuple[Failure, ...] = ()
    since: float | None = None


class Verdict(Enum):
    ALONE = "alone"
    BEGINS = "begins"
    PART = "part"


def gather(
    storm: Storm, container: Container, kind: Kind, now: float, *, count: int, window: float, watched: int
) -> tuple[Storm, Verdict]:
    """One more failure. `watched` is how many containers are watched, those that have failed among them."""
    if kind not in KINDS:
        return storm, Verdict.ALONE
    others = (f for f in storm.failures if f.container != container.id)
    failure = Failure(now, container.id, container.name, kind)
    if storm.since is not None:
        return Storm((*others, failure), storm.since), Verdict.PART
    failures = (*(f for f in others if 0 <= now - f.time <= window), failure)
    if len(failures) < count or len(failures) * SHARE < watched:
        return Storm(failures), Verdict.ALONE
    return Storm(failures, failures[0].time), Verdict.BEGINS


def settle(storm: Storm, now: float, *, window: float) -> tuple[Storm, bool]:
    """The state at `now`, and whether a storm has ended. A clock set back ends it too."""
    if storm.since is None or (storm.failures and 0 <= now - storm.failures[-1].time < window):
        return storm, False
    return Storm(), True


def evidence(storm: Storm) -> tuple[Evidence, ...]:
    """How many containers, which, and what is wrong with them."""
    names = sorted(failure.name for failure in storm.failures)
    more = len(names) - NAMED
    kinds = Counter(failure.kind for failure in storm.failures)
    return (
        Evidence("containers", float(len(names))),
        Evidence("names", ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")),
        Evidence("kinds", ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))),
    )
