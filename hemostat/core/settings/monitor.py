"""The configuration table `monitor`: alert thresholds, their durations, and their changes for one container.

A container's labels take precedence over the table of its Compose project, which takes precedence over the
rest of the configuration.
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
"""Range of each label's value. The operator's settings extend the range if they lie outside of it. So a label
cannot hide a container that changes all the time."""
MIN_FLAP_SECONDS: Final = 15.0
"""Minimum seconds of the window per change that a label allows. More frequent changes are flapping."""


class MonitorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `monitor`."""

    cpu: Percent = 85.0
    """Percent of the CPU limit; of one core without a limit."""
    throttled: Percent = 50.0
    """Percent of the scheduler's periods in which a container was throttled although it does not use its
    whole limit."""
    memory: Percent = 80.0
    """Percent of the memory limit; of the host's memory without a limit."""
    pids: Percent = 90.0
    """Percent of the process limit."""
    fds: Percent = 90.0
    """Percent of the main process's limit of open files."""
    window: Seconds = 10.0
    """Seconds that a threshold must be exceeded to raise an alert."""
    settle: Seconds = 10.0
    """Seconds that a container must run again before its crash is over."""
    relapse_window: Seconds = 1800.0
    """A failure that returns within this time after its end is the same incident, and no action is tried
    twice against an incident."""
    loop_deaths: Count = 3
    """Exits within `loop_window` that make a crash loop."""
    loop_window: Seconds = 300.0
    unhealthy_for: Seconds = 0.0
    """Seconds that a health check must have failed to raise an alert."""
    flap_changes: Count = 6
    """Changes of health within `flap_window` that make flapping."""
    flap_window: Seconds = 300.0
    leak_window: Seconds = 300.0
    """Seconds that memory must have risen to count as a leak before it is high."""
    leak_horizon: Seconds = 900.0
    """A leak raises an alert if the limit will be reached within this time."""
    interval: Period = 1.0
    """Seconds between two samples."""
    disk: Bytes = 0
    """Size of a container's writable layer that raises an alert; 0 means never."""
    log: Bytes = 0
    """Size of a container's json-file log that raises an alert; 0 means never."""
    disk_interval: Period = 30.0
    """Seconds between two measurements of writable layers. Each makes the engine walk over the files."""
    host_disk: Percent = 90.0
    """Percent of the filesystem with the engine's data directory."""
    probe_interval: Period = 5.0
    """Seconds between two probes of a container whose labels request probes."""
    probe_timeout: Period = 2.0
    probe_failures: Count = 3
    """Failed probes in a row that raise an alert."""
    probe_start: Seconds = 60.0
    """Seconds after its start in which a container may fail probes, until the first probe passes."""
    storm_count: Count = 5
    """Containers that fail within `storm_window` and make a storm, if they are at least a third of all."""
    storm_window: Seconds = 10.0
    baseline: bool = False
    """Whether a container's usual level raises its thresholds for CPU and memory."""
    baseline_window: Period = 3600.0
    """Seconds after which a level counts as usual."""
    baseline_ceiling: Percent = 98.0
    """The highest threshold that a usual level can cause."""
    only: str = ""
    """Watch only containers with this label, `key` or `key=value`. Empty: all."""
    projects: dict[str, dict[str, str | float | bool]] = {}
    """Thresholds by Compose project."""


def should_watch(container: Container) -> bool:
    """Whether HemoStat watches this container, which a label can disable."""
    return definitions.is_enabled(container.labels)


def is_job(container: Container) -> bool:
    """Whether the container is a batch job. A job may use all of its CPU, and a failed job is not simply run
    again."""
    return bool(definitions.JOB.read_from(container.labels))


def resolve_thresholds(thresholds: MonitorSettings, container: Container) -> MonitorSettings:
    """The thresholds for one container. Values that do not parse are ignored, so that a typing mistake in one
    label cannot stop the monitoring. A label outside its range counts as the end of the range."""
    changes: dict[str, Any] = {"cpu": OFF_THRESHOLD, "throttled": OFF_THRESHOLD} if is_job(container) else {}
    table = thresholds.projects.get(container.project or "", {})
    for label in definitions.THRESHOLDS:
        name = label.name.removeprefix(definitions.LABEL_PREFIX)
        value = label.read_from({label.name: str(table[name])}) if name in table else None
        if value is not None:
            changes[name] = value
    operators = msgspec.structs.replace(thresholds, **changes) if changes else thresholds
    own = {name: _clamp_to_range(name, value, operators) for name, value in _iter_labelled(container)}
    if not own.keys().isdisjoint({"flap_changes", "flap_window"}):
        own["flap_window"] = _limit_flap_window(msgspec.structs.replace(operators, **own), operators)
    return msgspec.structs.replace(operators, **own) if own else operators


def _iter_labelled(container: Container) -> Iterator[tuple[str, Any]]:
    """The thresholds from the container's own labels, by name."""
    for label in definitions.THRESHOLDS:
        if (value := label.read_from(container.labels)) is not None:
            yield label.name.removeprefix(definitions.LABEL_PREFIX), value
    if (start := definitions.PROBE_START.read_from(container.labels)) is not None:
        yield "probe_start", start


def _clamp_to_range(name: str, value: Any, operators: MonitorSettings) -> Any:
    if name not in LABEL_RANGES:
        return value
    least, most = LABEL_RANGES[name]
    allowed = getattr(operators, name)
    return min(max(value, min(least, allowed)), max(most, allowed))


def _limit_flap_window(requested: MonitorSettings, operators: MonitorSettings) -> float:
    """The requested window, but not shorter than that many changes take."""
    rate = min(MIN_FLAP_SECONDS, operators.flap_window / operators.flap_changes)
    return max(requested.flap_window, rate * requested.flap_changes)


def find_project_mistakes(projects: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Invalid entries in the tables of projects: dotted key, and reason."""
    mistakes = []
    for project, table in projects.items():
        for name, value in table.items():
            try:
                THRESHOLD_PARSERS[name](str(value))
            except KeyError:
                mistakes.append((f"{project}.{name}", f"is not a threshold: {_suggest_nearest(name)}"))
            except ValueError as error:
                mistakes.append((f"{project}.{name}", str(error)))
    return mistakes


def _suggest_nearest(name: str) -> str:
    near = difflib.get_close_matches(name, THRESHOLD_PARSERS, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"use {', '.join(THRESHOLD_PARSERS)}"


THRESHOLD_PARSERS: Final[Mapping[str, Callable[[str], float | bool]]] = {
    label.name.removeprefix(definitions.LABEL_PREFIX): label.read for label in definitions.THRESHOLDS
}
"""Settings that a label `hemostat.NAME`, or the table of a project, may change."""
