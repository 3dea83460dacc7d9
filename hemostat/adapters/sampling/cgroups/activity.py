"""Reads the counters of one container's processes from /proc.

The read is expensive, so it happens only when CPU usage is too high.
"""

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
"""Threads of one container that are read. For a container with more, its threads are unknown."""
MAX_PROCESSES: Final = 512
"""Processes of one container that are read. For a container with more, its processes are unknown."""
MAX_GROUPS: Final = 64
"""Cgroups below the container's own whose processes are read."""
TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    """Values of /proc/PID/stat and io: session, page faults, start in ticks, and bytes read and written: by
    system calls, and by block devices."""

    pid: int
    session: int
    faults: int
    start_ticks: int
    moved_bytes: int
    storage_bytes: int


def read_activity(cgroup_path: CgroupPath, proc: Path, container: ContainerInfo, now: float) -> Activity:
    """The container's activity. `proc` is the path of /proc. Unreadable values are None."""
    received, sent, local = _read_network(cgroup_path.process, container)
    processes = _read_processes(cgroup_path, proc) if cgroup_path.process is not None else None
    threads = _read_threads(proc, processes, container.pid) if processes else None
    return Activity(
        time=now,
        cpu=_read_cpu(cgroup_path),
        received=received,
        sent=sent,
        local=local,
        block=_read_block_io(cgroup_path),
        moved={each.pid: each.moved_bytes for each in processes} if processes else None,
        storage={each.pid: each.storage_bytes for each in processes} if processes else None,
        faults={each.pid: each.faults for each in processes} if processes else None,
        threads=threads,
    )


def is_activity_readable(container: ContainerInfo, proc: Path = Path("/proc")) -> bool:
    """Whether this process may read the counters of the container's main process: for /proc/PID/io, a process
    of another user needs CAP_SYS_PTRACE."""
    try:
        _read_process(proc / str(container.pid))
    except (OSError, ValueError, IndexError):
        return False
    return True


def _read_network(
    process: Path | None, container: ContainerInfo
) -> tuple[int | None, int | None, int | None]:
    """Bytes received, sent and on loopback. None if the interfaces are the host's."""
    if process is not None and container.network_mode != "host":
        with suppress(OSError, ValueError, IndexError):
            text = (process / "net/dev").read_bytes()
            return *layout.parse_network(text), layout.parse_loopback(text)
    return None, None, None


def _read_cpu(cgroup_path: CgroupPath) -> float | None:
    files = layout.find_files(cgroup_path.directories)
    controller, name = files.cpu
    with suppress(OSError, ValueError):
        text = (cgroup_path.directories[controller] / name).read_bytes()
        return layout.parse_field(text, files.cpu_key) * files.cpu_unit
    return None


def _read_block_io(cgroup_path: CgroupPath) -> int | None:
    controller, *names = layout.find_files(cgroup_path.directories).io
    directory = cgroup_path.directories.get(controller)
    for name in names:
        if directory is not None and name:
            with suppress(OSError, ValueError):
                return layout.parse_block_io((directory / name).read_bytes())
    return None


def _read_processes(cgroup_path: CgroupPath, proc: Path) -> list[_Process] | None:
    """None if a process is unreadable or there are too many: a part does not represent the whole."""
    pids = _list_pids(cgroup_path)
    if len(pids) > MAX_PROCESSES:
        return None
    processes = []
    for pid in pids:
        try:
            processes.append(_read_process(proc / str(pid)))
        except (FileNotFoundError, ProcessLookupError):
            continue
        except (OSError, ValueError, IndexError):
            return None
    return processes or None


def _list_pids(cgroup_path: CgroupPath) -> list[int]:
    top = cgroup_path.directories.get("cpuacct", cgroup_path.directories.get(""))
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


def _read_process(directory: Path) -> _Process:
    fields = _read_stat(directory)
    counters = (directory / "io").read_bytes()
    moved = layout.parse_field(counters, b"rchar: ") + layout.parse_field(counters, b"wchar: ")
    storage = layout.parse_field(counters, b"read_bytes: ") + layout.parse_field(counters, b"write_bytes: ")
    faults = int(fields[7]) + int(fields[9])
    return _Process(int(directory.name), int(fields[3]), faults, int(fields[19]), moved, storage)


def _read_stat(directory: Path) -> list[bytes]:
    """The fields after the name, which may contain any character: state, parent, group, session and so on."""
    return (directory / "stat").read_bytes().rpartition(b")")[2].split()


def _read_threads(proc: Path, processes: list[_Process], main: int) -> tuple[Thread, ...] | None:
    """The threads. None if there are too many."""
    processes_by_pid = {each.pid: each for each in processes}
    own = processes_by_pid[main].session if main in processes_by_pid else main
    threads: list[Thread] = []
    for process in processes:
        is_job = process.session != own and process.session in processes_by_pid
        for thread in _read_process_threads(proc / str(process.pid), process, is_job=is_job):
            threads.append(thread)
            if len(threads) > MAX_THREADS:
                return None
    return tuple(threads)


def _read_process_threads(directory: Path, process: _Process, *, is_job: bool) -> Iterator[Thread]:
    with suppress(OSError):
        for task in os.scandir(directory / "task"):
            # A thread may end at any moment.
            with suppress(OSError, ValueError, IndexError):
                path = directory / "task" / task.name
                fields = _read_stat(path)
                switches = layout.parse_field((path / "status").read_bytes(), b"voluntary_ctxt_switches:")
                user, system = int(fields[11]) * TICK_SECONDS, int(fields[12]) * TICK_SECONDS
                yield Thread(process.pid, int(task.name), process.start_ticks, user, system, switches, is_job)
