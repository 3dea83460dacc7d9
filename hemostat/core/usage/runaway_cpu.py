"""Decides whether high CPU is work, a computation or a loop.

A loop is diagnosed only on positive evidence: the process was calm earlier in its life, and now the same few
threads use nearly all of the CPU in user time, without network, files, pipes or new memory, and without
waiting. A missing measurement is no evidence. Every other case is reported, and no action is taken.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from hemostat.core.units import show_duration, show_size
from hemostat.events import HealthAlert

WORK_BYTES_PER_SECOND: Final = 16 * 1024.0
"""Bytes a second, in any direction, that count as work."""

MIN_CALM_WINDOWS: Final = 1 / 3
"""Windows for which CPU must have been low earlier in the life of the process."""

BUSY_AVERAGE_SHARE: Final = 0.5
"""Share of the threshold. If the average since the start is above it, CPU was never low for long."""


class LoopBound(NamedTuple):
    """The bound of a measurement in a loop, and the words for a value beyond it. `is_minimum`: the bound is a
    minimum."""

    name: str
    value: float
    template: str
    is_minimum: bool = False


LOOP_BOUNDS: Final = (
    LoopBound("received", 1024.0, "{} B/s received by network"),
    LoopBound("sent", 512.0, "{} B/s sent by network"),
    LoopBound("loopback", 4096.0, "{} B/s over its loopback interface"),
    LoopBound("read_write", WORK_BYTES_PER_SECOND, "{} B/s read and written"),
    LoopBound("hot_read_write", 1024.0, "{} B/s read and written by the busiest threads"),
    LoopBound("block_io", 4096.0, "{} B/s of block I/O"),
    LoopBound("page_faults", 100.0, "{} page faults per second"),
    LoopBound("switches", 0.7, "its threads wait {} times a second"),
    LoopBound("hot_threads", 4.0, "{} threads share the CPU"),
    LoopBound("hot_share", 80.0, "the same threads use only {} % of it", is_minimum=True),
    LoopBound("user_time", 90.0, "only {} % of it in user time", is_minimum=True),
)
"""Health checks, broadcasts and a sleeping shell stay below these rates, a working process exceeds them.
Threads that wait 0.7 times a second do at most one piece of work each second."""

MEASUREMENT_NAMES: Final = {
    "received": "network",
    "sent": "network",
    "loopback": "network",
    "read_write": "files and pipes",
    "hot_read_write": "files and pipes",
    "block_io": "block I/O",
    "page_faults": "its threads",
    "switches": "its threads",
    "hot_threads": "its threads",
    "hot_share": "its threads",
    "user_time": "its threads",
}
"""What is unknown if a measurement is missing."""


def find_main_traffic(alert: HealthAlert) -> tuple[str, float] | None:
    """Return the direction and rate (bytes a second) of most of the traffic; None if it was not measured."""
    ways = {"received": "arriving by network", "sent": "sent by network", "loopback": "over its loopback"}
    rates = [
        (description, alert.get_number(name))
        for name, description in ways.items()
        if alert.get_fact(name) is not None
    ]
    return max(rates, key=lambda each: each[1], default=None)


def describe_file_work(alert: HealthAlert) -> str:
    """Return the reading and writing that explains the CPU; empty if that is too little."""
    rate = max(alert.get_number("read_write"), alert.get_number("block_io"))
    return f"it reads and writes {show_size(rate)}/s" if rate >= WORK_BYTES_PER_SECOND else ""


def explain_computation(alert: HealthAlert) -> str:
    """Return why this is a computation that began with the process or with a job; empty if unknown."""
    average, threshold = alert.get_number("average"), alert.get_number("threshold")
    if not _was_calm(alert) and average >= BUSY_AVERAGE_SHARE * threshold > 0:
        return f"at {average:.0f} % on average since its start: probably a computation"
    if alert.get_fact("job"):
        return "used by a job in its own session, as started by cron or docker exec"
    return ""


def list_loop_doubts(alert: HealthAlert) -> list[str]:
    """Return what contradicts a loop or is unknown; empty if all the evidence is present."""
    unknown = dict.fromkeys(
        MEASUREMENT_NAMES[bound.name] for bound in LOOP_BOUNDS if alert.get_fact(bound.name) is None
    )
    doubts = [] if _was_calm(alert) else ["no calm period observed since the process started"]
    doubts += [
        bound.template.format(_format_figure(alert.get_number(bound.name))) for bound in _find_exceeded(alert)
    ]
    return [*doubts, f"unknown: {', '.join(unknown)}"] if unknown else doubts


def _find_exceeded(alert: HealthAlert) -> Iterator[LoopBound]:
    for bound in LOOP_BOUNDS:
        value = alert.get_number(bound.name)
        beyond = value < bound.value if bound.is_minimum else value > bound.value
        if alert.get_fact(bound.name) is not None and beyond:
            yield bound


def _was_calm(alert: HealthAlert) -> bool:
    calm = alert.get_number("calm")
    return calm > 0 and calm >= alert.window * MIN_CALM_WINDOWS


def describe_loop(alert: HealthAlert) -> str:
    threads = (
        f"{alert.get_number('hot_threads'):.0f} thread{'s' if alert.get_number('hot_threads') > 1 else ''}"
    )
    return (
        f"calm before for {show_duration(alert.get_number('calm'))}; now {threads} in user time, "
        "almost no network, reads, writes or waits: no work explains it"
    )


def _format_figure(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"  # noqa: PLR2004
