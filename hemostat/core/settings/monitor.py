"""What is too much, and for how long: the configuration table `monitor`, and what tunes it for one container.

A container's labels win over the table of its compose project, and that over the rest of the configuration.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from hemostat.core.labels import definitions
from hemostat.core.labels.values import OFF_THRESHOLD
from hemostat.core.units import Bytes, Percent, Period, Seconds
from hemostat.events import Container

Count = Annotated[int, Meta(ge=1)]

LABEL_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "window": (1.0, 3600.0),
    "settle": (1.0, 3600.0),
    "loop_deaths": (1, 20),
    "loop_window": (60.0, 86400.0),
    "unhealthy_for": (0.0, 3600.0),
    "flap_changes": (1, 20),
    "flap_window": (60.0, 3600.0),
    "leak_window": (5.0, 86400.0),
    "leak_horizon": (10.0, 7 * 86400.0),
    "probe_failures": (1, 20),
    "probe_start": (0.0, 3600.0),
}
"""How far a label may go, where the operator's settings do not go further themselves: a container that
changes all the time must not keep that from being seen."""
MIN_FLAP_SECONDS: Final = 15.0
"""Of the window for each change that a label asks for: what changes more often than this is flapping."""


class MonitorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `monitor`."""

    cpu: Percent = 85.0
    """Of the CPU limit; of one core where there is none."""
    throttled: Percent = 50.0
    """Of the scheduler's periods in which a container was held back that does not use its whole limit."""
    memory: Percent = 80.0
    """Of the memory limit; of the host's memory where there is none."""
    pids: Percent = 90.0
    """Of the limit of processes."""
    fds: Percent = 90.0
    """Of the limit of open files of the main process."""
    window: Seconds = 10.0
    """How long a threshold must be exceeded before it is an alert."""
    settle: Seconds = 10.0
    """How long a container must run again before its crash is over."""
    relapse_window: Seconds = 1800.0
    """A failure that comes back within this time after it was over is the same incident: nothing is tried
    against it twice."""
    loop_deaths: Count = 3
    """Deaths within `loop_window` that make a crash loop."""
    loop_window: Seconds = 300.0
    unhealthy_for: Seconds = 0.0
    """How long a health check must have failed before it is an alert."""
    flap_changes: Count = 6
    """Changes of health within `flap_window` that make it flapping."""
    flap_window: Seconds = 300.0
    leak_window: Seconds = 300.0
    """How long memory must have risen to count as a leak before it is high."""
    leak_horizon: Seconds = 900.0
    """A leak is an alert when the limit will be reached within this time."""
    interval: Period = 1.0
    """Between two samples."""
    disk: Bytes = 0
    """Size of a container's writable layer that is an alert; 0 is never."""
    log: Bytes = 0
    """Size of a container's json-file log that is an alert; 0 is never."""
    disk_interval: Period = 30.0
    """Between two measurements of writable layers, each of which costs the engine a walk over the files."""
    host_disk: Percent = 90.0
    """Of the filesystem of the engine's data directory."""
    probe_interval: Period = 5.0
    """Between two probes of a container that asks for them by label."""
    probe_timeout: Period = 2.0
    probe_failures: Count = 3
    """Probes in a row that must fail."""
    probe_start: Seconds = 60.0
    """How long after its start a container may fail probes, as long as none has passed."""
    storm_count: Count = 5
    """Containers that fail within `storm_window`, at least a third of all, that make a storm."""
    storm_window: Seconds = 10.0
    baseline: bool = False
    """Whether a container's own habit raises its thresholds of CPU and memory."""
    baseline_window: Period = 3600.0
    """How long a habit must last to be one."""
    baseline_ceiling: Percent = 98.0
    """No habit raises a threshold above this."""
    only: str = ""
    """Watch only containers with this label, `key` or `key=value`; empty: all."""
    projects: dict[str, dict[str, str | float | bool]] = {}
    """Thresholds by compose project."""


def should_watch(container: Container) -> bool:
    """Whether HemoStat minds this container: not where a label opts out."""
    return definitions.is_enabled(container.labels)


def is_job(container: Container) -> bool:
    """A batch job: that it uses all of its CPU is no news, and a failed one is not simply run again."""
    return bool(definitions.JOB.of(container.labels))


def resolve_thresholds(thresholds: MonitorSettings, container: Container) -> MonitorSettings:
    """The thresholds for one container. What does not parse is passed over: a typing mistake in one
    container's label must not blind the monitor. A label beyond its range counts as the end of the range."""
    changes: dict[str, Any] = {"cpu": OFF_THRESHOLD, "throttled": OFF_THRESHOLD} if is_job(container) else {}
    table = thresholds.projects.get(container.project or "", {})
    for label in definitions.THRESHOLDS:
        name = label.name.removeprefix(definitions.LABEL_PREFIX)
        value = label.of({label.name: str(table[name])}) if name in table else None
        if value is not None:
            changes[name] = value
    operators = msgspec.structs.replace(thresholds, **changes) if changes else thresholds
    own = {name: _clamp_to_range(name, value, operators) for name, value in _iter_labelled(container)}
    if not own.keys().isdisjoint({"flap_changes", "flap_window"}):
        own["flap_window"] = _limit_flap_window(msgspec.structs.replace(operators, **own), operators)
    return msgspec.structs.replace(operators, **own) if own else operators


def _iter_labelled(container: Container) -> Iterator[tuple[str, Any]]:
    """The thresholds that the container's own labels set, by name."""
    for label in definitions.THRESHOLDS:
        if (value := label.of(container.labels)) is not None:
            yield label.name.removeprefix(definitions.LABEL_PREFIX), value
    if (start := definitions.PROBE_START.of(container.labels)) is not None:
        yield "probe_start", start


def _clamp_to_range(name: str, value: Any, operators: MonitorSettings) -> Any:
    if name not in LABEL_RANGES:
        return value
    least, most = LABEL_RANGES[name]
    allowed = getattr(operators, name)
    return min(max(value, min(least, allowed)), max(most, allowed))


def _limit_flap_window(asked: MonitorSettings, operators: MonitorSettings) -> float:
    """As asked for, but no shorter than so many changes take."""
    rate = min(MIN_FLAP_SECONDS, operators.flap_window / operators.flap_changes)
    return max(asked.flap_window, rate * asked.flap_changes)


def find_project_mistakes(projects: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """What cannot be used in the tables of projects: dotted key, and why."""
    found = []
    for project, table in projects.items():
        for name, value in table.items():
            try:
                THRESHOLD_PARSERS[name](str(value))
            except KeyError:
                found.append((f"{project}.{name}", f"is no threshold: {_suggest_nearest(name)}"))
            except ValueError as error:
                found.append((f"{project}.{name}", str(error)))
    return found


def _suggest_nearest(name: str) -> str:
    near = difflib.get_close_matches(name, THRESHOLD_PARSERS, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(THRESHOLD_PARSERS)}"


THRESHOLD_PARSERS: Final[Mapping[str, Callable[[str], float | bool]]] = {
    label.name.removeprefix(definitions.LABEL_PREFIX): label.read for label in definitions.THRESHOLDS
}
"""What a label `hemostat.NAME`, or the table of a project, may change."""
