"""Finds a container's cgroup directories and its process, from the kernel rather than a driver's naming.

Where /proc is the engine host's, /proc/PID/cgroup names the cgroup. Where HemoStat runs in a container, /proc
is not the host's, and the mounted hierarchies are searched for a directory named after the container.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.core.model import ContainerInfo

CONTROLLERS: Final = frozenset({"", "cpu", "cpuacct", "memory", "pids", "blkio"})
MAX_DEPTH: Final = 8
"""Depth of the search: a rootless engine's containers are at 5."""
ID_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
PODMAN_MONITOR: Final = "conmon"
"""Podman's monitor of a container has a cgroup that is also named after the container."""


class CgroupPath(NamedTuple):
    directories: dict[str, Path]
    """By controller, "" for v2."""
    process: Path | None
    """The container's main process in /proc.

    None if the process cannot be shown to belong to the container.
    """


class Mount(NamedTuple):
    """A mounted hierarchy: the cgroup at its top (not / inside a container), and the mount point."""

    top: str
    point: Path

    def resolve(self, path: str) -> Path:
        relative = path.removeprefix(self.top) if self.top != "/" else path
        return self.point / relative.lstrip("/")


class CgroupPaths:
    """Finds and remembers paths. `root`: the directory that contains /proc and the mounts."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mounts = _read_mounts(root)
        self._found: dict[Path, dict[str, str]] = {}

    def forget(self) -> None:
        """Discard the search results. The next search reads the hierarchies again."""
        self._found.clear()

    def find(self, container: ContainerInfo) -> CgroupPath:
        """The container's paths. Raises OSError if no path can be shown to belong to the container."""
        kernel_paths = self._read_kernel_paths(container)
        process = self._find_process_directory(container) if kernel_paths else None
        cgroup_path = CgroupPath(
            self._find_directories(kernel_paths) or self._search(container.ref.id), process
        )
        if not cgroup_path.directories:
            raise ProcessLookupError(container.pid)
        return cgroup_path

    def find_process(self, container: ContainerInfo) -> Path:
        """The container's main process in /proc. Raises OSError if the id now belongs to another process."""
        if not self._read_kernel_paths(container):
            raise ProcessLookupError(container.pid)
        return self._find_process_directory(container)

    def _find_process_directory(self, container: ContainerInfo) -> Path:
        return self._root / "proc" / str(container.pid)

    def _read_kernel_paths(self, container: ContainerInfo) -> dict[str, str]:
        """The kernel's cgroup paths by controller. Empty if they do not name the container.

        The process may be in a cgroup below the container's own. The one named after the container is
        returned.
        """
        kernel_paths: dict[str, str] = {}
        with suppress(OSError):
            for line in (self._find_process_directory(container) / "cgroup").read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                directory = _cut_at_container(container.ref.id, path)
                if directory is not None:
                    kernel_paths |= dict.fromkeys(CONTROLLERS.intersection(controllers.split(",")), directory)
        return kernel_paths

    def _find_directories(self, kernel_paths: dict[str, str]) -> dict[str, Path]:
        directories = {}
        for controller, directory in kernel_paths.items():
            candidates = (mount.resolve(directory) for mount in self._mounts.get(controller, ()))
            existing = next(filter(Path.is_dir, candidates), None)
            if existing is not None:
                directories[controller] = existing
        return directories

    def _search(self, container: str) -> dict[str, Path]:
        """The path in the hierarchy that counts memory, or CPU without a memory controller, applied to every
        hierarchy.
        """
        for mount in [each for name in ("memory", "", "cpuacct") for each in self._mounts.get(name, ())]:
            path = self._index(mount.point).get(container)
            if path is not None:
                return {
                    controller: candidate.point / path
                    for controller, mounts in self._mounts.items()
                    for candidate in reversed(mounts)
                    if (candidate.point / path).is_dir()
                }
        return {}

    def _index(self, top: Path) -> dict[str, str]:
        if top not in self._found:
            self._found[top] = {}
            for name, path in _find_containers(top):
                self._found[top].setdefault(name, path)
        return self._found[top]


def _cut_at_container(container: str, path: str) -> str | None:
    parts = path.split("/")
    for depth, part in enumerate(parts, 1):
        if container in part:
            return "/".join(parts[:depth])
    return None


def _find_containers(top: Path) -> Iterator[tuple[str, str]]:
    """Ids of containers and their paths below `top`, the nearest to it first."""
    level = [""]
    for _ in range(MAX_DEPTH):
        level = [path for above in level for path in _list_below(top, above)]
        for path in level:
            name = path.rpartition("/")[2]
            identity = ID_PATTERN.search(name)
            if identity and PODMAN_MONITOR not in name:
                yield identity[0], path


def _list_below(top: Path, path: str) -> list[str]:
    try:
        with os.scandir(top / path) as entries:
            return [f"{path}/{entry.name}".lstrip("/") for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _read_mounts(root: Path) -> dict[str, list[Mount]]:
    """The mounted hierarchies by controller, "" for v2: those of HemoStat's own container and the host's."""
    mounts: dict[str, list[Mount]] = {}
    with suppress(OSError):
        for line in (root / "proc/self/mountinfo").read_text().splitlines():
            mount_fields, _, kind = line.partition(" - ")
            top, point = mount_fields.split()[3:5]
            system, _, options = kind.split(" ", 2)
            for name in {"cgroup": options.split(","), "cgroup2": [""]}.get(system, []):
                # If `root` is not /, the kernel may report the mount point as seen from /.
                beneath = point.removeprefix(str(root)).lstrip("/")
                if name in CONTROLLERS:
                    mounts.setdefault(name, []).append(Mount(top, root / beneath))
    return mounts
