"""Checks for `hemostat doctor` that the monitor watches every container of the engine."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Final

from hemostat import app
from hemostat.cli.doctor.findings import CheckResult, Level
from hemostat.cli.doctor.machine import Machine
from hemostat.core.model import ListedContainer
from hemostat.core.settings.monitor import should_watch
from hemostat.core.text import list_names
from hemostat.events import ContainerStats, Event, Heartbeat

GRACE_SECONDS: Final = 15.0
"""Seconds for which a container, or the monitor, may be too new to have measurements."""
HINT: Final = "hemostat status shows the monitor's errors, hemostat labels the labels"


def check_watched_containers(machine: Machine) -> CheckResult:
    """The engine is queried first, so that containers created later do not count as missing."""
    settings = machine.settings
    with closing(app.open_engine(settings, label=settings.monitor.only)) as engine:
        rows = engine.list_containers()
    bus = machine.bus()
    return judge_watch(
        rows,
        bus.read_last_values("container_stats"),
        bus.read_last_values("heartbeat"),
        settings.host_name,
        time.time(),
    )


def judge_watch(
    rows: Sequence[ListedContainer],
    stats: Iterable[Event],
    beats: Iterable[Event],
    host: str,
    now: float,
) -> CheckResult:
    monitors = [
        event.data
        for event in beats
        if event.host == host and isinstance(event.data, Heartbeat) and event.data.role == "monitor"
    ]
    if not monitors:
        return CheckResult(Level.OK, f"not compared: no monitor of {host} is running")
    if all(0 <= now - beat.started < GRACE_SECONDS for beat in monitors):
        return CheckResult(Level.OK, "not compared: the monitor has just started")
    measured = {
        event.data.container.id
        for event in stats
        if event.host == host and isinstance(event.data, ContainerStats)
    }
    expected = [
        row for row in rows if should_watch(row.ref) and row.status != "removing" and not _is_young(row)
    ]
    missing = [row.ref.name for row in expected if row.ref.id not in measured]
    if not missing:
        return CheckResult(Level.OK, f"all {len(expected)} containers of the engine")
    message = (
        f"{len(missing)} of {len(expected)} containers of the engine are not watched: {list_names(missing)}"
    )
    return CheckResult(Level.FAILURE, message, HINT)


def _is_young(row: ListedContainer) -> bool:
    return row.age is not None and row.age <= GRACE_SECONDS
