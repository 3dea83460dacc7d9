"""The limits of the cgroups above a container's own: of a systemd slice, of compose's `cgroup_parent`."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hemostat.adapters.sampling.cgroups import files
from hemostat.adapters.sampling.cgroups.paths import CgroupPath
from hemostat.core.model import ParentLimits

UNLIMITED: Final = 1 << 60
"""Bytes: cgroup v1 tells a number of about this size where there is no limit."""

Limit = float | None


def read_parents(place: CgroupPath) -> ParentLimits:
    """The least of each limit, and which cgroup has that of memory."""
    v1 = files.layout(place.directories) is files.V1
    memory, cgroup = _least(place, *(("memory", _memory_v1) if v1 else ("", _memory_v2)))
    cpu, _ = _least(place, *(("cpu", _cpu_v1) if v1 else ("", _cpu_v2)))
    pids, _ = _least(place, "pids" if v1 else "", lambda directory: _number(directory / "pids.max"))
    return ParentLimits(
        memory=None if memory is None else int(memory),
        memory_of=cgroup,
        cpu=cpu,
        pids=None if pids is None else int(pids),
    )


def _least(place: CgroupPath, controller: str, read: Callable[[Path], Limit]) -> tuple[Limit, str]:
    """The least limit above the container's own, and the path of the cgroup that has it."""
    own = place.directories.get(controller)
    if own is None:
        return None, ""
    above = list(_above(own))
    limits = [(limit, directory) for directory in above if (limit := read(directory)) is not None]
    if not limits:
        return None, ""
    limit, directory = min(limits, key=lambda each: each[0])
    return limit, f"/{directory.relative_to(above[-1])}" if above else ""


def _above(directory: Path) -> Iterator[Path]:
    """The cgroups above this one, up to the top of what is mounted."""
    for parent in directory.parents:
        if not (parent / "cgroup.procs").exists():
            return
        yield parent


def _number(file: Path) -> Limit:
    """None where there is no limit, or none can be read."""
    with suppress(OSError, ValueError):
        return float(file.read_text())
    return None


def _memory_v1(directory: Path) -> Limit:
    limit = _number(directory / "memory.limit_in_bytes")
    return None if limit is None or limit >= UNLIMITED else limit


def _memory_v2(directory: Path) -> Limit:
    return _number(directory / "memory.max")


def _cpu_v1(directory: Path) -> Limit:
    quota, period = _number(directory / "cpu.cfs_quota_us"), _number(directory / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _cpu_v2(directory: Path) -> Limit:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (directory / "cpu.max").read_text().split()
        return int(quota) / int(period)
    return None
