"""Decides whether an engine runs on this machine, by its running containers and not by its address.

A unix socket may be forwarded from another machine, and a TCP port may be that of a proxy on this one. A
container's main process cannot be mistaken: the kernel names the container's id beside the process id and the
start that the engine reports. The id alone is no proof: clones of a machine have containers of the same id.
The start is wrong where the clock was set since, as on boards without a clock of their own.
There it counts that the engine itself listens at the unix socket.

An engine of this machine may have another network than HemoStat. The process that starts the containers shows
which one the engine has.
"""

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from math import nan
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.adapters.docker_engine import inspection
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.core import bounds
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineUnreachableError

ROOT: Final = Path("/")
MAX_COMPARED: Final = 20
"""Running containers that are compared with the processes of this machine."""
RUNNING_FILTER: Final = {"status": ["running", "paused"]}
"""A container that waits for its restart is listed as running, too, and has no process."""
MAX_START_SKEW_SECONDS: Final = 10.0
"""Seconds between the start of a process and the start of its container as the engine reports it."""
OWN_INIT: Final = 1
"""The main process of the container that HemoStat itself may run in. Its other processes are not visible."""
ENGINE_PROGRAMS: Final = frozenset({"dockerd", "podman", "systemd"})
"""Programs that listen at an engine's own socket; systemd where it starts the engine on demand."""
PEER_FORMAT: Final = struct.Struct("3i")
"""Process, user and group of the peer at a unix socket, as the kernel reports them."""
PEER_SECONDS: Final = 5.0
PARENT_FIELD: Final = 1
START_FIELD: Final = 19
"""Columns of /proc/PID/stat after the name: the parent's id, and the start in ticks after boot."""
HOST_NETWORK: Final = "host"
"""The network mode of a container without a network namespace of its own."""
CONTAINER_MARKS: Final = (".dockerenv", "run/.containerenv")
"""Files by which Docker and Podman mark the file system of a container."""
TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")


class EngineLocation(NamedTuple):
    """`is_local`: whether the engine runs on this machine. None while no container runs that could show it.
    `process`: the id of the process that starts the engine's containers, 0 where unknown. `is_inside`:
    whether this process runs in one of them. `shares_network`: whether this process is in the engine's host
    network, None where unknown."""

    is_local: bool | None = None
    process: int = 0
    is_inside: bool = False
    shares_network: bool | None = None


def read_location(connection: ClientPool, root: Path = ROOT) -> EngineLocation:
    """`root`: the directory that contains this machine's /proc. Raises EngineUnreachableError."""
    try:
        rows = [row for row in inspection.list_rows(connection, RUNNING_FILTER, stopped=False) if "Id" in row]
        # Nobody can place new containers before the oldest ones: containers that crash, or whose start takes
        # longer than MAX_START_SKEW_SECONDS, show nothing.
        rows.sort(key=lambda row: bounds.clamp_int(row.get("Created")))
        containers = [row["Id"] for row in rows]
        # The container that HemoStat itself runs in comes first: inside, no other one can be recognized.
        containers.sort(key=lambda each: not _names_container(root / "proc" / str(OWN_INIT), each))
        answers = inspection.inspect_all(connection, containers[:MAX_COMPARED], "")
    except EngineUnreachableError:
        raise
    except EngineError:
        return EngineLocation()
    peer = find_peer(connection.url, root)
    return find_location(inspection.select_inspected(answers), root, peer=peer)


def find_location(
    containers: Iterable[ContainerInfo], root: Path = ROOT, *, peer: str | None = None
) -> EngineLocation:
    """`peer`: as of `find_peer`."""
    running = [info for info in containers if info.pid]
    for info in running:
        if _is_main_process(root, info.pid, info, any_start=peer in ENGINE_PROGRAMS):
            parent = _read_parent(root, info.pid)
            return EngineLocation(True, parent, shares_network=_compare_networks(root, parent))
        if _is_main_process(root, OWN_INIT, info, any_start=peer == ""):
            return EngineLocation(True, is_inside=True, shares_network=info.network_mode == HOST_NETWORK)
    return EngineLocation(False if running else None)


def find_peer(url: str, root: Path = ROOT) -> str | None:
    """Return the name of the program that listens at the unix socket; empty for one outside of this process'
    container, None for another address."""
    scheme, _, path = url.partition("://")
    if not scheme.endswith("unix"):
        return None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PEER_SECONDS)
            connection.connect(f"/{path.lstrip('/')}")
            answer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_FORMAT.size)
        process: int = PEER_FORMAT.unpack(answer)[0]
        return (root / "proc" / str(process) / "comm").read_text().strip() if process else ""
    except (OSError, AttributeError):
        return None


def _is_main_process(root: Path, process: int, info: ContainerInfo, *, any_start: bool) -> bool:
    directory = root / "proc" / str(process)
    with suppress(OSError, ValueError, LookupError):
        if not any_start and abs(_read_start(root, directory) - info.started_at) > MAX_START_SKEW_SECONDS:
            return False
        return _names_container(directory, info.ref.id)
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


def is_in_container(root: Path = ROOT) -> bool:
    """Whether this process runs in a container of any engine."""
    return any((root / mark).exists() for mark in CONTAINER_MARKS)


def _compare_networks(root: Path, process: int) -> bool | None:
    """Whether `process` has the network namespace of this process. The kernel has a /proc/PID/net of its own
    for each, and reading its inode needs no rights over the process, unlike /proc/PID/ns/net."""
    with suppress(OSError):
        own, other = ((root / "proc" / each / "net/dev").stat().st_ino for each in ("self", str(process)))
        return own == other
    return None


def _read_stat(directory: Path) -> list[bytes]:
    """The fields after the name, which may contain any character."""
    return (directory / "stat").read_bytes().rpartition(b")")[2].split()
