"""Detects storms: so many containers fail together that the cause lies outside of them.

Rule 1. A storm of the host begins with the failure by which `count` different containers, and at least one in
        WATCHED_DIVISOR of those watched, have failed within `window`. The cause is the host, the engine or
        something that all of them need. If containers of several projects are watched, one project counts
        only in part: failures of one tenant's containers are no fault of the host.
Rule 2. A storm of a project begins in the same way with the containers of that project alone, and holds no
        others.
Rule 3. While a storm lasts, every failure is part of it. It ends when no container other than those that have
        failed in it has failed for `window`, and after MAX_WINDOWS windows in any case. The same containers
        do not prolong it, and no number of containers makes it endless.
Rule 4. After a storm, no other begins for as long as the storm lasted, and for at least REST_WINDOWS windows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from hemostat.core.labels.project import limit_others
from hemostat.events import Evidence, Kind

WATCHED_DIVISOR: Final = 3
STORM_KINDS: Final = frozenset({Kind.EXITED, Kind.CRASH_LOOP, Kind.OOM, Kind.UNHEALTHY, Kind.HUNG})
"""Kinds that count as a failure. Many containers that are busy at the same time are no storm."""
MAX_NAMED_CONTAINERS: Final = 10
MAX_WINDOWS: Final = 12
REST_WINDOWS: Final = 6
MIN_PROJECT_CONTAINERS: Final = 2
"""Minimum number of one project's containers that count towards a storm of the host that needs few."""
HOST_SCOPE: Final = None
"""The scope of a storm of the host."""


class StormLimits(msgspec.Struct, frozen=True):
    """`count` is in containers, `window` in seconds."""

    count: int
    window: float


class StormFailure(msgspec.Struct, frozen=True):
    """A failure of a container. `container` is its id."""

    time: float
    container: str
    kind: Kind
    project: str = ""


class WatchedCounts(NamedTuple):
    """The number of watched containers, including those that failed, and the number of their projects."""

    containers: int
    projects: int = 1


class Storm(msgspec.Struct, frozen=True):
    """The failures of one scope, one per container, by time: those within the window, or in a storm all since
    it began. `since` is when the first failure of the storm was (epoch seconds), None without a storm. No
    storm begins before `rest_until` (epoch seconds)."""

    failures: tuple[StormFailure, ...] = ()
    since: float | None = None
    rest_until: float = 0.0


class StormVerdict(NamedTuple):
    """Whether a failure is part of a storm, and whether it is the first failure of the storm. `project` is
    the storm's project; None for the host's storm."""

    is_in_storm: bool
    is_first: bool = False
    project: str | None = None


def record_failure(
    storm: Storm,
    failure: StormFailure,
    limits: StormLimits,
    watched: WatchedCounts,
    *,
    most: int | None = None,
) -> tuple[Storm, StormVerdict]:
    """Record a failure of a kind that counts, and at most `most` containers of one project (None: all)."""
    now = failure.time
    if not is_over(storm, now, limits.window):
        is_known = any(each.container == failure.container for each in storm.failures)
        failures = storm.failures if is_known else (*storm.failures, failure)
        return msgspec.structs.replace(storm, failures=failures), StormVerdict(is_in_storm=True)
    rested = storm.rest_until if storm.since is None else _find_rest_end(storm, limits.window)
    other_failures = (each for each in storm.failures if each.container != failure.container)
    failures = (*(each for each in other_failures if 0 <= now - each.time <= limits.window), failure)
    if now < rested <= now + 2 * MAX_WINDOWS * limits.window or not _are_many(
        failures, limits, watched, most
    ):
        return Storm(failures, rest_until=rested), StormVerdict(is_in_storm=False)
    return Storm(failures, failures[0].time), StormVerdict(is_in_storm=True, is_first=True)


def _are_many(
    failures: tuple[StormFailure, ...], limits: StormLimits, watched: WatchedCounts, most: int | None
) -> bool:
    if len(failures) * WATCHED_DIVISOR < watched.containers:
        return False
    count = len(failures)
    if most is not None:
        count = len(limit_others(None, failures, most, lambda each: each.project))
    return count >= limits.count


def _find_end(storm: Storm, window: float) -> float:
    """Return when a storm ends if nothing else fails (epoch seconds)."""
    first = storm.failures[0].time if storm.since is None else storm.since
    return min(storm.failures[-1].time + window, first + MAX_WINDOWS * window)


def _find_rest_end(storm: Storm, window: float) -> float:
    end = _find_end(storm, window)
    return end + max(REST_WINDOWS * window, end - storm.failures[0].time)


def is_over(storm: Storm, now: float, window: float) -> bool:
    """Return whether there is no storm, or no longer one. A clock that was set back also ends a storm."""
    return storm.since is None or not (storm.failures and storm.since <= now < _find_end(storm, window))


def limit_project_count(count: int, projects: int) -> int | None:
    """Return how many containers of one project count towards a host storm of `count` (None: all)."""
    return None if projects <= 1 else max(MIN_PROJECT_CONTAINERS, -(-count // projects))


class Storms:
    """The storms of one host: the host's own, and those of its projects."""

    def __init__(self) -> None:
        self._by_scope: dict[str | None, Storm] = {}

    def add(
        self, failure: StormFailure, limits: StormLimits, watched: WatchedCounts
    ) -> tuple[Storm, StormVerdict]:
        """Record a failure. Return the storm that it is part of, if any, and whether it is part of one."""
        if failure.kind not in STORM_KINDS:
            return Storm(), StormVerdict(is_in_storm=False)
        most = limit_project_count(limits.count, watched.projects)
        host_result = self._record_failure(HOST_SCOPE, failure, limits, watched, most)
        if most is None:
            return host_result
        storm, verdict = self._record_failure(failure.project, failure, limits, watched, None)
        return (
            host_result if host_result[1].is_in_storm else (storm, verdict._replace(project=failure.project))
        )

    def _record_failure(
        self,
        scope: str | None,
        failure: StormFailure,
        limits: StormLimits,
        watched: WatchedCounts,
        most: int | None,
    ) -> tuple[Storm, StormVerdict]:
        before = self._by_scope.get(scope, Storm())
        result = self._by_scope[scope], _ = record_failure(before, failure, limits, watched, most=most)
        return result

    def is_project_in_storm(self, project: str, now: float, window: float) -> bool:
        """Return whether failures in this project are part of a storm."""
        scopes = (self._by_scope.get(scope, Storm()) for scope in (HOST_SCOPE, project))
        return not all(is_over(each, now, window) for each in scopes)

    def are_over(self, now: float, window: float) -> bool:
        return all(is_over(each, now, window) for each in self._by_scope.values())

    def expire(self, now: float, window: float) -> None:
        """Remove the projects whose storm and rest period are over."""
        self._by_scope = {
            scope: each for scope, each in self._by_scope.items() if not _is_past(each, now, window)
        }


def _is_past(storm: Storm, now: float, window: float) -> bool:
    rested = storm.rest_until if storm.since is None else _find_rest_end(storm, window)
    return is_over(storm, now, window) and now > max(rested, storm.failures[-1].time + window)


def build_storm_evidence(
    failures: Iterable[StormFailure], names: Mapping[str, str], project: str | None = None
) -> tuple[Evidence, ...]:
    """Return the number of containers, their names, the kinds of failure, and the project if the storm is a
    project's. `names` is by id."""
    failures = tuple(failures)
    container_names = sorted(names.get(each.container, each.container[:12]) for each in failures)
    more = len(container_names) - MAX_NAMED_CONTAINERS
    kinds = Counter(each.kind for each in failures)
    return (
        Evidence("storm", len(container_names)),
        Evidence(
            "containers",
            ", ".join(container_names[:MAX_NAMED_CONTAINERS]) + (f" and {more} more" if more > 0 else ""),
        ),
        Evidence("kinds", ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))),
        *([] if project is None else [Evidence("project", project or "none")]),
    )
