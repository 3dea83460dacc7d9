"""Marks the restarts of a container in its log, so that the lines before a crash are seen at a glance. Pure.

The log of an engine does not say where a process ends and the next one begins. The times come from the events
about the container and from its current state.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from hemostat.core.history.incident_log import find_subject
from hemostat.events import ContainerStats, Event, HealthAlert, Kind, Phase, RemediationComplete, State
from hemostat.tui.data.log_lines import LogLine

MARK_LEVEL: Final = "mark"
"""Stands in place of a level in a mark."""
START_DELAY_SECONDS: Final = 2.0
"""Seconds by which an engine may note a start too late, on a busy host."""
DEATH_KINDS: Final = frozenset({Kind.EXITED, Kind.OOM, Kind.CRASH_LOOP})


class Restart(msgspec.Struct, frozen=True):
    """Where a process began or ended. `time` is epoch seconds. `exit_code` is that of the process that ended,
    `ended` when it did, both None if unknown. `is_started`: another process began."""

    time: float
    exit_code: int | None = None
    ended: float | None = None
    is_started: bool = True


def find_restarts(events: Iterable[Event], state: State | None) -> list[Restart]:
    """The restarts of one container, oldest first. `events` are those about it, `state` is its current state.

    The first start is no restart; the caller marks none before the first line.
    """
    starts, deaths = set[float](), dict[float, int | None]()
    if state is not None and state.started_at:
        starts.add(state.started_at)
    for event in events:
        match event.data:
            case HealthAlert(kind=kind, phase=Phase.RAISED, since=since) as alert if kind in DEATH_KINDS:
                code = alert.get_fact("exit_code")
                deaths[since] = int(code) if isinstance(code, int | float) else None
            case RemediationComplete(after=State(started_at=started)) if started:
                starts.add(started)
    restarts: list[Restart] = []
    for time in sorted({*starts, *deaths}):
        last = restarts[-1] if restarts else None
        if time not in starts:
            restarts.append(Restart(time, deaths[time], time, is_started=False))
        elif last is not None and not last.is_started:
            restarts[-1] = Restart(time, last.exit_code, last.ended)
        else:
            restarts.append(Restart(time))
    return restarts


def select_container_events(log: Iterable[Event], host: str, name: str, identity: str) -> list[Event]:
    """The events about this very container: one that was recreated under its name has another log."""
    return [
        event
        for event in log
        if event.host == host
        and (subject := find_subject(event)) is not None
        and (subject[0].name, subject[0].id) == (name, identity)
    ]


def insert_marks(
    lines: Sequence[LogLine], restarts: Sequence[tuple[int, Restart]], *, at_end: bool
) -> Sequence[LogLine]:
    """The lines by time, with a mark for each restart that has a line of its container before it. `restarts`:
    each with the number of its container. `at_end`: no line follows the last one, so that a mark may."""
    own: dict[int, list[LogLine]] = {}
    for line in lines if restarts else ():
        own.setdefault(line.source, []).append(line)
    marks = [
        mark
        for source, restart in restarts
        if source in own and (mark := _make_mark(own[source], restart, source)) is not None
    ]
    visible = [mark for mark in marks if at_end or mark.stamp <= lines[-1].stamp]
    # A mark comes before the line at its time, which is the first one of the new process.
    return sorted([*visible, *lines], key=lambda line: line.stamp) if visible else lines


def _make_mark(lines: Sequence[LogLine], restart: Restart, source: int) -> LogLine | None:
    """The mark, at its place among the lines of its container. None before the first line."""
    stamp = _format_stamp(restart.time)
    after = bisect_right(lines, stamp, key=lambda line: line.stamp)
    if restart.is_started:
        after = _find_first_line(lines, restart, after)
        stamp = min(stamp, lines[after].stamp) if after < len(lines) else stamp
    if after == 0:
        return None
    clock = f"{datetime.fromtimestamp(restart.time, UTC).astimezone():%H:%M:%S}"
    code = "" if restart.exit_code is None else f", exit code {restart.exit_code}"
    what = "restarted" if restart.is_started else "exited"
    return LogLine(stamp, f"── {what} {clock}{code} ──", MARK_LEVEL, source)


def _find_first_line(lines: Sequence[LogLine], restart: Restart, after: int) -> int:
    """The index of the new process's first line. `after`: of the first line after the start.

    An engine notes the start after the process has begun to write. Nothing is written between the end of one
    process and the start of the next, so the longest gap before the noted start is where the new one begins.
    """
    ended = restart.time - START_DELAY_SECONDS if restart.ended is None else restart.ended
    begin = bisect_right(lines, _format_stamp(ended), hi=after, key=lambda line: line.stamp)
    candidates = range(max(1, begin), after)
    end = [*(line.time for line in lines[:after]), restart.time]
    if not candidates:
        return after
    longest = max(candidates, key=lambda number: end[number] - end[number - 1])
    return longest if end[longest] - end[longest - 1] >= end[after] - end[after - 1] else after


def _format_stamp(time: float) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}000Z"


def is_mark(line: LogLine) -> bool:
    return line.level == MARK_LEVEL


def read_state(stats: Event | None) -> State | None:
    return stats.data.state if stats is not None and isinstance(stats.data, ContainerStats) else None
