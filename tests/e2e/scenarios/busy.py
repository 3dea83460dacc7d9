"""Keeps the host busy with processes that HemoStat does not watch: `--busy`."""

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Final, Self

from hemostat.core.dependencies.root_cause import MIN_SATURATED_TIMEOUT_SECONDS, SATURATED_CPU_SHARE

TARGET: Final = 0.9
"""Target share of the host's CPU in use."""
CYCLE: Final = 0.05
"""Seconds in which a load process spins and sleeps once."""
STEP: Final = 0.5
"""Seconds between two measurements of the host's CPU."""
GAIN: Final = 0.5
"""Share of the difference by which the duty of the load processes changes at each measurement."""
NICE: Final = 0
"""The niceness of the load processes, that of other processes: a nicer process would give way to HemoStat."""

CHOSEN: Final = (
    "exit-code",
    "sigkill",
    "oom",
    "crash-loop-always",
    "docker-gave-up",
    "job-failed",
    "protected",
    "unhealthy",
    "hung",
    "dependency-crashed",
    "dependency-stopped",
    "failed-migration",
    "docker-stop-timeout",
    "docker-kill",
    "docker-restart",
    "swarm-task-replaced",
)
"""The scenarios that are played on a busy host: deaths, health, traps and containers with another owner."""


class BusyHost(AbstractContextManager["BusyHost"]):
    """A load process on each core. Their duty follows the other load, so that all processes together use the
    target."""

    def __init__(self, target: float = TARGET) -> None:
        self._target = target
        context = multiprocessing.get_context("spawn")
        self._duty = context.Value("d", target)
        self._burners = [
            context.Process(target=_burn, args=(self._duty, os.getpid()), daemon=True)
            for _ in range(os.cpu_count() or 1)
        ]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._control, name="busy")
        self._began = (0, 0)

    def __enter__(self) -> Self:
        for burner in self._burners:
            burner.start()
        self._thread.start()
        time.sleep(2 * STEP)
        self._began = ticks()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for burner in self._burners:
            burner.kill()
            burner.join()

    @property
    def measured(self) -> float:
        """Share of the host's CPU in use since the beginning."""
        return busy_share(self._began, ticks())

    def _control(self) -> None:
        before = ticks()
        while not self._stop.wait(STEP):
            after = ticks()
            self._duty.value = next_duty(self._duty.value, self._target, busy_share(before, after))
            before = after


class LoadRecorder(AbstractContextManager["LoadRecorder"]):
    """Measures how busy the host is while a scenario is played."""

    def __init__(self) -> None:
        self._samples = [(time.monotonic(), ticks())]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def busy(self) -> float:
        """Share of the host's CPU in use since the beginning."""
        return busy_share(self._samples[0][1], ticks())

    @property
    def saturated(self) -> bool:
        """Whether the host had no CPU left for so long that the monitor may hold back alerts."""
        return is_saturated(self._samples)

    def _record(self) -> None:
        while not self._stop.wait(STEP):
            self._samples.append((time.monotonic(), ticks()))


def is_saturated(samples: Sequence[tuple[float, tuple[int, int]]]) -> bool:
    """Return whether the host had no CPU left for the shortest time in which the monitor notices that: one
    second, if a check has timed out. `samples` are times in seconds and the ticks then."""
    return any(
        busy_share(before, after) >= SATURATED_CPU_SHARE
        for start, before in samples
        for end, after in samples
        if MIN_SATURATED_TIMEOUT_SECONDS <= end - start < MIN_SATURATED_TIMEOUT_SECONDS + 2 * STEP
    )


def next_duty(duty: float, target: float, busy: float) -> float:
    return min(max(duty + GAIN * (target - busy), 0.0), 1.0)


def ticks() -> tuple[int, int]:
    """Return the ticks of the host's CPU since the boot: those that were idle, and all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def busy_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    idle, all_ = after[0] - before[0], after[1] - before[1]
    return round(1 - idle / all_, 3) if all_ > 0 else 0.0


def _burn(duty: "Synchronized[float]", parent: int) -> None:
    os.nice(NICE)
    while os.getppid() == parent:
        end = time.monotonic() + duty.value * CYCLE
        while time.monotonic() < end:
            pass
        time.sleep((1 - duty.value) * CYCLE)
