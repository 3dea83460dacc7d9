"""Resource limits of a container, and what samples show about its usage. Shared by the detectors of core."""

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
"""Names of evidence left out of a one-line alert. The diagnosis states what they mean."""


class ResourceLimits(NamedTuple):
    """Limits of one container: `cpu` in cores, 1 without a limit; `memory` in bytes, 0 if unknown; `pids` 0
    without a limit. `memory_of` names the owner of the memory limit if that is not the container."""

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
