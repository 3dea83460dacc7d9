"""Decides whether an engine runs on this machine, by its running containers and not by its address.

A unix socket may be forwarded from another machine, and a TCP port may be that of a proxy on this one. A
container's main process cannot be mistaken: the kernel names the container's id beside the process id and the
start that the engine reports. The id alone is no proof: clones of a machine have containers of the same id.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.adapters.docker_engine import inspection
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineUnreachableError

ROOT: Final = Path("/")
MAX_COMPARED: Final = 5
"""Running containers that are compared with the processes of this machine."""
MAX_START_SKEW_SECONDS: Final = 10.0
"""Seconds between the start of a process and the start of its container as the engine reports it."""
OWN_INIT: Final = 1
"""The main process of the container that HemoStat itself may run in. Its other processes are not visible."""
PARENT_FIELD: Final = 1
START_FIELD: Final = 19
"""Columns of /proc/PID/stat after the name: the parent's id, and the start in ticks after boot."""
TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


class EngineLocation(NamedTuple):
    """`is_local`: whether the engine runs on this machine. None while no container runs that could show it.
    `process`: the id of the process that starts the engine's containers, 0 where unknown."""

    is_local: bool | None = None
    process: int = 0


def read_location(connection: ClientPool, root: Path = ROOT) -> EngineLocation:
    """`root`: the directory that contains this machine's /proc. Raises EngineUnreachableError."""
    try:
        rows = inspection.list_rows(connection, {}, stopped=False)
        containers = [row["Id"] for row in rows if "Id" in row]
        answers = inspection.inspect_all(connection, containers[:MAX_COMPARED], "")
    except EngineUnreachableError:
        raise
    except EngineError:
        return EngineLocation()
    return find_location(inspection.select_inspected(answers), root)


def find_location(containers: Iterable[ContainerInfo], root: Path = ROOT) -> EngineLocation:
    running = [info for info in containers if info.pid]
    for info in running:
        if _is_main_process(root, info.pid, info):
            return EngineLocation(True, _read_parent(root, info.pid))
        if _is_main_process(root, OWN_INIT, info):
            return EngineLocation(True)
    return EngineLocation(False if running else None)


def _is_main_process(root: Path, process: int, info: ContainerInfo) -> bool:
    directory = root / "proc" / str(process)
    with suppress(OSError, ValueError, LookupError):
        skew = abs(_read_start(root, directory) - info.started_at)
        return skew <= MAX_START_SKEW_SECONDS and _names_container(directory, info.ref.id)
    return False


def _names_container(directory: Path, container: str) -> bool:
    """The mounts name the container where its cgroup namespace hides the cgroup's path."""
    for name in ("cgroup", "mountinfo"):
        with suppress(OSError):
            if container in (directory / name).read_text(errors="replace"):
                return True
    return False


def _read_start(root: Path, directory: Path) -> float:
    """When the process started (epoch seconds)."""
    lines = (root / "proc/stat").read_text().splitlines()
    boot = next((float(line.split()[1]) for line in lines if line.startswith("btime ")), nan)
    return boot + int(_read_stat(directory)[START_FIELD]) * TICK_SECONDS


def _read_parent(root: Path, process: int) -> int:
    with suppress(OSError, ValueError, LookupError):
        return int(_read_stat(root / "proc" / str(process))[PARENT_FIELD])
    return 0


def _read_stat(directory: Path) -> list[bytes]:
    """The fields after the name, which may contain any character."""
    return (directory / "stat").read_bytes().rpartition(b")")[2].split()
