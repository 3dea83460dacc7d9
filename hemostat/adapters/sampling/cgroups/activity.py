"""What the processes of one container have done so far, from /proc. Dear: read only where CPU is too high."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.adapters.sampling.cgroups import files as layout
from hemostat.adapters.sampling.cgroups.paths import CgroupPath
from hemostat.core.model import ContainerInfo
from hemostat.core.usage.process_activity import Activity, Thread

MAX_THREADS: Final = 512
"""Of one container that are read; of one with more nothing is known of its threads."""
MAX_PROCESSES: Final = 512
"""Of one container that are read; of one with more nothing is known of its processes."""
MAX_GROUPS: Final = 64
"""Cgroups below the container's own whose processes are read."""
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    """From /proc/PID/stat: session, page faults, and the start in ticks."""

    pid: int
    session: int
    faults: int
    begun: int
    moved: int


def read_activity(place: CgroupPath, proc: Path, container: ContainerInfo, now: float) -> Activity:
    """`proc` is where /proc is. What cannot be read is None."""
    received, sent, local = _network(place.process, container)
    processes = _processes(place, proc) if place.process is not None else None
    threads = _threads(proc, processes, container.pid) if processes else None
    return Activity(
        time=now,
        cpu=_cpu(place),
        received=received,
        sent=sent,
        local=local,
        block=_block(place),
        moved={each.pid: each.moved for each in processes} if processes else None,
        faults={each.pid: each.faults for each in processes} if processes else None,
        threads=threads,
    )


def _network(process: Path | None, container: ContainerInfo) -> tuple[int | None, int | None, int | None]:
    """None where the interfaces are the host's."""
    if process is not None and container.network_mode != "host":
        with suppress(OSError, ValueError, IndexError):
            text = (process / "net/dev").read_bytes()
            return *layout.network(text), layout.loopback(text)
    return None, None, None


def _cpu(place: CgroupPath) -> float | None:
    files = layout.layout(place.directories)
    controller, name = files.cpu
    with suppress(OSError, ValueError):
        text = (place.directories[controller] / name).read_bytes()
        return layout.field(text, files.cpu_key) * files.cpu_unit
    return None


def _block(place: CgroupPath) -> int | None:
    controller, *names = layout.layout(place.directories).io
    directory = place.directories.get(controller)
    for name in names:
        if directory is not None and name:
            with suppress(OSError, ValueError):
                return sum(layout.block_io((directory / name).read_bytes()))
    return None


def _processes(place: CgroupPath, proc: Path) -> list[_Process] | None:
    """None where one of them does not show what it does, and where there are too many: a part is no evidence
    of the whole."""
    pids = _pids(place)
    if len(pids) > MAX_PROCESSES:
        return None
    found = []
    for pid in pids:
        try:
            found.append(_process(proc / str(pid)))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except (OSError, ValueError, IndexError):
            return None
    return found or None


def _pids(place: CgroupPath) -> list[int]:
    top = place.directories.get("cpuacct", place.directories.get(""))
    groups = [top] if top is not None else []
    pids: list[int] = []
    for group in groups:
        if len(pids) > MAX_PROCESSES:
            break
        with suppress(OSError, ValueError):
            pids += map(int, (group / "cgroup.procs").read_text().split())
            if len(groups) < MAX_GROUPS:
                groups += [group / each.name for each in os.scandir(group) if each.is_dir()][:MAX_GROUPS]
    return pids


def _process(directory: Path) -> _Process:
    fields = _stat(directory)
    counters = (directory / "io").read_bytes()
    moved = layout.field(counters, b"rchar: ") + layout.field(counters, b"wchar: ")
    faults = int(fields[7]) + int(fields[9])
    return _Process(int(directory.name), int(fields[3]), faults, int(fields[19]), moved)


def _stat(directory: Path) -> list[bytes]:
    """What follows the name, which may hold anything: state, parent, group, session and so on."""
    return (directory / "stat").read_bytes().rpartition(b")")[2].split()


def _threads(proc: Path, processes: list[_Process], main: int) -> tuple[Thread, ...] | None:
    """None where there are too many of them."""
    known = {each.pid: each for each in processes}
    own = known[main].session if main in known else main
    found: list[Thread] = []
    for process in processes:
        is_job = process.session != own and process.session in known
        for thread in _of(proc / str(process.pid), process, is_job=is_job):
            found.append(thread)
            if len(found) > MAX_THREADS:
                return None
    return tuple(found)


def _of(directory: Path, process: _Process, *, is_job: bool) -> Iterator[Thread]:
    with suppress(OSError):
        for task in os.scandir(directory / "task"):
            # A thread may end at any moment.
            with suppress(OSError, ValueError, IndexError):
                path = directory / "task" / task.name
                fields = _stat(path)
                switches = layout.field((path / "status").read_bytes(), b"voluntary_ctxt_switches:")
                user, system = int(fields[11]) * TICK, int(fields[12]) * TICK
                yield Thread(process.pid, int(task.name), process.begun, user, system, switches, is_job)
