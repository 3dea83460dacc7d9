"""How busy the host is while a demo is played: a fault that gets no CPU shows nothing."""

import os
from typing import Final

import msgspec

from hemostat.ports import HostProbe

SATURATED_SHARE: Final = 0.9
"""Share of the host's CPU in use from which a container may get less than it asks for."""
MAX_OTHERS_SHARE: Final = 0.5
"""Share of the host's CPU that others must use, so that the demo's own fault is not taken for the reason."""


class HostLoad(msgspec.Struct, frozen=True, kw_only=True):
    """`busy` is the share of the host's CPU that was in use, `own` the share that the demo's container used,
    both 0 to 1; `average` is the load average of the last minute."""

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
    """Measures from `start` to `read`."""

    def __init__(self, host: HostProbe) -> None:
        self._host = host
        self._cores = os.cpu_count() or 1
        self._used: dict[float, float] = {}

    def start(self, now: float) -> None:
        self._host.measure(now)
        self._used.clear()

    def note(self, time: float, cpu: float) -> None:
        """What the container used at this time, in percent of a core."""
        self._used[time] = cpu / 100 / self._cores

    def read(self, now: float) -> HostLoad | None:
        """None where nothing is known of the host, for the engine's is another."""
        sample = self._host.measure(now)
        if sample is None or sample.cpu is None:
            return None
        own = sum(self._used.values()) / len(self._used) if self._used else 0.0
        return HostLoad(
            busy=round(sample.cpu, 3), own=round(own, 3), average=os.getloadavg()[0], cores=self._cores
        )
