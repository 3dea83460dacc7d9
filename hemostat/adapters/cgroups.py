"""The Sampler port by reading cgroup files (v1 and v2) on the engine's own host, descriptors kept open.

Where a container's files are is read from the kernel, not guessed from a driver's naming habits. What
cannot be read, or cannot be shown to belong to the container, is left out.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from hemostat.core.model import ContainerInfo, Sample

ROOT: Final = Path("/")
ENOUGH: Final = 16384
"""Bytes: more than memory.stat has ever been."""


class Layout(NamedTuple):
    """How one cgroup version tells CPU time and memory. `cpu_key` is empty where the file is the number."""

    cpu_file: str
    cpu_key: bytes
    cpu_unit: float
    memory_file: str
    inactive_key: bytes


V1: Final = Layout("cpuacct.usage", b"", 1e-9, "memory.usage_in_bytes", b"total_inactive_file ")
V2: Final = Layout("cpu.stat", b"usage_usec ", 1e-6, "memory.current", b"inactive_file ")


class Probe:
    """One container's open files."""

    def __init__(self, layout: Layout, cpu: Path, memory: Path) -> None:
        self._layout = layout
        self._files: list[int] = []
        try:
            for path in (cpu / layout.cpu_file, memory / layout.memory_file, memory / "memory.stat"):
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise

    def read(self, container: str, now: float) -> Sample:
        """Raises OSError, or ValueError for an empty file, once the cgroup is gone."""
        cpu, usage, stat = self._files
        layout = self._layout
        used = int(os.pread(usage, 32, 0))
        inactive = _field(os.pread(stat, ENOUGH, 0), layout.inactive_key)
        spent = _field(os.pread(cpu, 1024, 0), layout.cpu_key) * layout.cpu_unit
        memory = used - inactive if inactive < used else used
        return Sample(container_id=container, time=now, cpu=spent, memory=memory)

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()


def _field(text: bytes, key: bytes) -> int:
    """The number after `key` at the start of a line; the first number where the key is empty."""
    start = 0 if text.startswith(key) else text.find(b"\n" + key) + 1
    if start == 0 and not text.startswith(key):
        return 0
    end = text.find(b"\n", start)
    return int(text[start + len(key) : end if end >= 0 else None])


class CgroupSampler:
    """`root` is where /proc and the mounts are looked for."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._mounts = _mounts(root)
        self._probes: dict[tuple[str, int, float], Probe] = {}

    def usable(self, container: ContainerInfo) -> bool:
        """Whether this container's files can be read from here, and are its own."""
        try:
            self._open(container).close()
        except OSError:
            return False
        return True

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        wanted = {(info.ref.id, info.pid, info.started_at): info for info in containers if info.pid}
        for key in self._probes.keys() - wanted.keys():
            self._probes.pop(key).close()
        samples = []
        for key, info in wanted.items():
            try:
                probe = self._probes.get(key)
                if probe is None:
                    probe = self._probes[key] = self._open(info)
                samples.append(probe.read(key[0], now))
            except (OSError, ValueError):
                self._forget(key)
        return samples

    def received(self, container: ContainerInfo) -> int | None:
        if container.network_mode == "host":
            return None
        try:
            self._paths(container)
            lines = self._proc(container.pid, "net/dev").splitlines()[2:]
        except OSError:
            return None
        counters = (line.partition(":") for line in lines)
        return sum(int(numbers.split()[0]) for name, _, numbers in counters if name.strip() != "lo")

    def close(self) -> None:
        for key in list(self._probes):
            self._forget(key)

    def _forget(self, key: tuple[str, int, float]) -> None:
        with suppress(KeyError):
            self._probes.pop(key).close()

    def _open(self, container: ContainerInfo) -> Probe:
        paths = self._paths(container)
        if "cpuacct" in paths and "memory" in paths:
            return Probe(V1, paths["cpuacct"], paths["memory"])
        if "" in paths:
            return Probe(V2, paths[""], paths[""])
        raise FileNotFoundError(container.ref.id)

    def _paths(self, container: ContainerInfo) -> dict[str, Path]:
        """The container's directory by controller, "" for v2. Raises OSError where it has none.

        The process may since have become another's, or sit in a cgroup below the container's own: the
        directory is the one named after the container.
        """
        found = {}
        for line in self._proc(container.pid, "cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            directory = _named_after(container.ref.id, path)
            for controller in controllers.split(","):
                mount = self._mounts.get(controller)
                if directory is not None and mount is not None:
                    found[controller] = mount.under(self._root, directory)
        if not found:
            raise ProcessLookupError(container.pid)
        return found

    def _proc(self, pid: int, name: str) -> str:
        return (self._root / "proc" / str(pid) / name).read_text()


class Mount(NamedTuple):
    """A mounted hierarchy: which cgroup is at its top (not / inside a container), and where it is."""

    top: str
    point: str

    def under(self, root: Path, path: str) -> Path:
        relative = path.removeprefix(self.top) if self.top != "/" else path
        return root / self.point.lstrip("/") / relative.lstrip("/")


def _mounts(root: Path) -> dict[str, Mount]:
    """The mounted hierarchies by controller, "" for v2."""
    found: dict[str, Mount] = {}
    with suppress(OSError):
        for line in (root / "proc/self/mountinfo").read_text().splitlines():
            place, _, kind = line.partition(" - ")
            mount = Mount(*place.split()[3:5])
            system, _, options = kind.split(" ", 2)
            names = {"cgroup": options.split(","), "cgroup2": [""]}.get(system, [])
            for name in names:
                found.setdefault(name, mount)
    return found


def _named_after(container: str, path: str) -> str | None:
    parts = path.split("/")
    for depth, part in enumerate(parts, 1):
        if container in part:
            return "/".join(parts[:depth])
    return None
