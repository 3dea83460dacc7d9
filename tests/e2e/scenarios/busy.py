"""Keeps the host busy with processes that no HemoStat watches: `--busy`."""

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
"""Share of the host's CPU that is to be in use."""
CYCLE: Final = 0.05
"""Seconds in which a burner spins and sleeps once."""
STEP: Final = 0.5
"""Seconds between two looks at how busy the host is."""
GAIN: Final = 0.5
"""By how much of the difference the duty of the burners is changed at each look."""
NICE: Final = 0
"""As whatever else runs: a nicer process would give way to HemoStat, and prove nothing."""

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
"""What is played on a busy host: deaths, health, traps and containers that somebody else restarts."""


class BusyHost(AbstractContextManager["BusyHost"]):
    """A process on each core whose duty follows what else runs, so that all together use the target."""

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
        """Whether the host had no CPU left for as long as makes the monitor hold a container back."""
        return is_saturated(self._samples)

    def _record(self) -> None:
        while not self._stop.wait(STEP):
            self._samples.append((time.monotonic(), ticks()))


def is_saturated(samples: Sequence[tuple[float, tuple[int, int]]]) -> bool:
    """`samples`: seconds, and the ticks then. The monitor asks for one second if a check has timed out."""
    return any(
        busy_share(before, after) >= SATURATED_CPU_SHARE
        for start, before in samples
        for end, after in samples
        if MIN_SATURATED_TIMEOUT_SECONDS <= end - start < MIN_SATURATED_TIMEOUT_SECONDS + 2 * STEP
    )


def next_duty(duty: float, target: float, busy: float) -> float:
    return min(max(duty + GAIN * (target - busy), 0.0), 1.0)


def ticks() -> tuple[int, int]:
    """Of the host's CPU since it booted: idle ones, and all."""
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
