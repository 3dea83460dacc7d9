"""Reads limits of the cgroups above a container's own: a systemd slice, compose's `cgroup_parent`."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from hemostat.adapters.sampling.cgroups import files
from hemostat.adapters.sampling.cgroups.paths import CgroupPath
from hemostat.core.model import ParentLimits

UNLIMITED_BYTES: Final = 1 << 60
"""Bytes: cgroup v1 reports a number of about this size if there is no limit."""

Limit = float | None


def read_parents(cgroup_path: CgroupPath) -> ParentLimits:
    """The lowest of each limit, and the cgroup with the lowest memory limit."""
    v1 = files.find_files(cgroup_path.directories) is files.V1
    memory, cgroup = _find_least(cgroup_path, *(("memory", _read_memory_v1) if v1 else ("", _read_memory_v2)))
    cpu, _ = _find_least(cgroup_path, *(("cpu", _read_cpu_v1) if v1 else ("", _read_cpu_v2)))
    pids, _ = _find_least(
        cgroup_path, "pids" if v1 else "", lambda directory: _read_number(directory / "pids.max")
    )
    return ParentLimits(
        memory=None if memory is None else int(memory),
        memory_of=cgroup,
        cpu=cpu,
        pids=None if pids is None else int(pids),
    )


def _find_least(cgroup_path: CgroupPath, controller: str, read: Callable[[Path], Limit]) -> tuple[Limit, str]:
    """The lowest limit above the container's own, and the path of the cgroup that has it."""
    own = cgroup_path.directories.get(controller)
    if own is None:
        return None, ""
    above = list(_walk_up(own))
    limits = [(limit, directory) for directory in above if (limit := read(directory)) is not None]
    if not limits:
        return None, ""
    limit, directory = min(limits, key=lambda each: each[0])
    return limit, f"/{directory.relative_to(above[-1])}" if above else ""


def _walk_up(directory: Path) -> Iterator[Path]:
    """The cgroups above this one, up to the top of the mounted hierarchy."""
    for parent in directory.parents:
        if not (parent / "cgroup.procs").exists():
            return
        yield parent


def _read_number(file: Path) -> Limit:
    """The number in a file. None if there is no limit or the file is unreadable."""
    with suppress(OSError, ValueError):
        return float(file.read_text())
    return None


def _read_memory_v1(directory: Path) -> Limit:
    limit = _read_number(directory / "memory.limit_in_bytes")
    return None if limit is None or limit >= UNLIMITED_BYTES else limit


def _read_memory_v2(directory: Path) -> Limit:
    return _read_number(directory / "memory.max")


def _read_cpu_v1(directory: Path) -> Limit:
    quota, period = (
        _read_number(directory / "cpu.cfs_quota_us"),
        _read_number(directory / "cpu.cfs_period_us"),
    )
    return quota / period if quota and period and quota > 0 else None


def _read_cpu_v2(directory: Path) -> Limit:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (directory / "cpu.max").read_text().split()
        return int(quota) / int(period)
    return None
