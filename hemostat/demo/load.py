"""Measures the host's load during a demo: a fault that gets no CPU shows nothing."""

import os
from typing import Final

import msgspec

from hemostat.ports import HostProbe

SATURATED_SHARE: Final = 0.9
"""Share of the host's CPU in use from which a container may get less than it asks for."""
MAX_OTHERS_SHARE: Final = 0.5
"""Share of the host's CPU that other processes must use, so that the demo's own fault is not taken for
the cause.
"""


class HostLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The host's load.

    `busy` is the share of CPU in use, `own` the share used by the demo's container, both 0 to 1.

    `average` is the load average of the last minute.
    """

    busy: float
    own: float
    average: float
    cores: int

    @property
    def is_too_high(self) -> bool:
        return self.busy >= SATURATED_SHARE and self.busy - self.own > MAX_OTHERS_SHARE

    def __str__(self) -> str:
        return (
            f"{self.busy:.0%} of its CPU was in use, {self.own:.0%} by the demo's container "
            f"(load average {self.average:.1f}, {self.cores} cores)"
        )


class LoadMeter:
    """Measures the load from `start` to `read`."""

    def __init__(self, host: HostProbe) -> None:
        self._host = host
        self._cores = os.cpu_count() or 1
        self._used: dict[float, float] = {}

    def start(self, now: float) -> None:
        self._host.measure(now)
        self._used.clear()

    def note(self, time: float, cpu: float) -> None:
        """Record the container's CPU use at this time, in percent of a core."""
        self._used[time] = cpu / 100 / self._cores

    def read(self, now: float) -> HostLoad | None:
        """The load. None if the host cannot be measured, because the engine runs on another one."""
        sample = self._host.measure(now)
        if sample is None or sample.cpu is None:
            return None
        own = sum(self._used.values()) / len(self._used) if self._used else 0.0
        return HostLoad(
            busy=round(sample.cpu, 3), own=round(own, 3), average=os.getloadavg()[0], cores=self._cores
        )
