"""What an alert means and what to do about it, by rules: plain evidence, plain answers. Design, section 5."""

from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.core.units import show_duration, show_size
from hemostat.events import Action, Diagnosis, HealthAlert, Kind

WORK: Final = 16 * 1024.0
"""Bytes a second into a container's network above which its CPU is taken to be doing somebody's work."""

FLAT: Final = 0.01
"""Growth over the window, as a share of the limit, below which memory is taken to be flat."""


class Verdict(msgspec.Struct, frozen=True):
    """`action` None is a false alarm; NONE is a real issue that only a person can settle."""

    action: Action | None
    diagnosis: Diagnosis


def diagnose(alert: HealthAlert) -> Verdict:
    return _RULES[alert.kind](alert)


def _verdict(action: Action | None, cause: str, confidence: float, *reasons: str) -> Verdict:
    return Verdict(action, Diagnosis(cause=cause, confidence=confidence, reasons=reasons))


def _exited(alert: HealthAlert) -> Verdict:
    code = int(alert.number("exit_code"))
    signal = f", killed by signal {code - 128}" if 128 < code < 160 else ""  # noqa: PLR2004
    return _verdict(
        Action.RESTART,
        "crash",
        0.95,
        f"exited with code {code}{signal}",
        "nobody stopped it and Docker will not restart it",
    )


def _oom(alert: HealthAlert) -> Verdict:
    limit = alert.number("memory_limit")
    return _verdict(
        Action.RESTART,
        "out of memory",
        0.95,
        f"killed by the kernel at its limit of {show_size(limit)}" if limit else "killed by the kernel",
    )


def _unhealthy(_: HealthAlert) -> Verdict:
    return _verdict(Action.RESTART, "hung", 0.9, "its health check fails while its process runs")


def _cpu_high(alert: HealthAlert) -> Verdict:
    held = f"CPU at {alert.number('cpu'):.0f} % for {show_duration(alert.window)}"
    arriving = alert.fact("received")
    if arriving is None:
        return _verdict(Action.NONE, "busy", 0.5, held, "whether work is arriving cannot be told")
    rate = f"{show_size(alert.number('received'))}/s arriving by network"
    if alert.number("received") >= WORK:
        return _verdict(Action.NONE, "saturated", 0.8, held, rate)
    return _verdict(Action.RESTART, "runaway", 0.85, held, f"no work to explain it: {rate}")


def _memory_high(alert: HealthAlert) -> Verdict:
    held = f"memory at {alert.number('memory'):.0f} % of {show_size(alert.number('memory_limit'))}"
    growth = alert.number("growth")
    limit = alert.number("memory_limit")
    if growth * alert.window < FLAT * limit:
        return _verdict(None, "large but steady", 0.8, held, "not growing")
    left = max(0.0, limit - alert.number("memory_bytes")) / growth
    rising = f"growing by {show_size(growth)}/s"
    return _verdict(Action.RESTART, "leak", 0.85, held, f"{rising}, full in {show_duration(left)}")


def _disk_high(alert: HealthAlert) -> Verdict:
    size, limit = show_size(alert.number("disk_bytes")), show_size(alert.number("threshold"))
    fact = f"its writable layer holds {size}, the threshold is {limit}"
    if "hemostat.cleanup.paths" not in alert.container.labels:
        return _verdict(
            Action.NONE, "disk filling", 0.9, fact, "no label hemostat.cleanup.paths says what may go"
        )
    return _verdict(Action.CLEANUP, "disk filling", 0.9, fact)


_RULES: Final[dict[Kind, Callable[[HealthAlert], Verdict]]] = {
    Kind.EXITED: _exited,
    Kind.OOM: _oom,
    Kind.UNHEALTHY: _unhealthy,
    Kind.CPU_HIGH: _cpu_high,
    Kind.MEMORY_HIGH: _memory_high,
    Kind.DISK_HIGH: _disk_high,
}
