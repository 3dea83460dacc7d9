"""What a container may use, and what the samples show of it: shared by the detectors of core."""

from typing import Final, NamedTuple

from hemostat.events import Evidence, Kind, Phase

CPU_DETAILS: Final = frozenset(
    {
        "average",
        "cpu_limit",
        "loopback",
        "block_io",
        "hot_threads",
        "hot_share",
        "hot_read_write",
        "user_time",
        "switches",
        "page_faults",
        "job",
    }
)
DETAILS: Final = CPU_DETAILS | {"full_soon", "slowing_down", "manner"}
"""Names of evidence that one line about an alert leaves out: the diagnosis says what they come to."""


class ResourceLimits(NamedTuple):
    """Of one container: `cpu` in cores, 1 where there is no limit; `memory` in bytes, 0 where unknown; `pids`
    0 where there is none. `memory_of` names what has the limit of memory, where that is not the container."""

    cpu: float
    memory: int
    pids: int = 0
    has_cpu_limit: bool = False
    memory_of: str = ""


class UsageFinding(NamedTuple):
    kind: Kind
    phase: Phase
    since: float
    evidence: tuple[Evidence, ...] = ()
