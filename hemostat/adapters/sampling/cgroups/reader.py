"""Reads the cgroup and process files of one container, kept open.

Values that cost more to read than they change are read in every fifth round only.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any, Final, TypeVar

from hemostat.adapters.sampling.cgroups import files as layout
from hemostat.adapters.sampling.cgroups.parents import read_parents
from hemostat.adapters.sampling.cgroups.paths import CgroupPath
from hemostat.core.model import ContainerInfo, Sample

T = TypeVar("T")

DETAIL_ROUNDS: Final = 5
"""Rounds between two readings of network, descriptors and pressure."""
RARE_ROUNDS: Final = 12
"""Detail readings between two readings of the limits."""
MAX_COUNTED_FILES: Final = 50_000
"""Open files of a process that are counted if the kernel does not report their number.

Counting takes microseconds for each. For a process with more, the number is unknown.
"""
MAX_READ_BYTES: Final = 16384
"""Bytes. None of these files has ever been larger."""


class CgroupReader:
    """The reader of one container. Not thread-safe. Raises OSError.

    `turn` staggers the expensive rounds of many readers. `is_count_known`: the kernel reports the number of
    open files as the size of /proc/PID/fd.
    """

    def __init__(self, cgroup_path: CgroupPath, turn: int = 0, *, is_count_known: bool = False) -> None:
        self._place = cgroup_path
        self._layout = layout.find_files(cgroup_path.directories)
        self._turn = turn
        self._is_count_known = is_count_known
        self._files: list[int] = []
        self._usage = -1
        self._memory = (0, 0)
        self._oom_kills: int | None = None
        self._limit: int | None = None
        self._readings = 0
        try:
            self._open_cgroup()
            self._open_process()
        except OSError:
            self.close()
            raise

    def _open_cgroup(self) -> None:
        files = self._layout
        self._cpu_file = self._open_first(*files.cpu)
        self._usage_file = self._open_first(*files.usage)
        self._stat_file = self._open_first(*files.stat)
        if self._cpu_file is None and self._usage_file is None:
            raise FileNotFoundError("neither CPU nor memory is measured here")
        self._quota_file = self._open_first(*files.quota)
        self._oom_file = self._open_first(*files.oom)
        self._pids_file = self._open_first(*files.pids)
        self._pressure_file = self._open_first(*files.pressure)

    def _open_process(self) -> None:
        process = self._place.process
        # An open net/dev would keep the network namespace of a stopped container.
        self._network_path = str(process / "net/dev") if process else None
        self._limits_file = self._try_open(process and process / "limits")
        self._fd_directory = self._try_open(process and process / "fd")

    @property
    def is_complete(self) -> bool:
        """Whether both CPU and memory are counted."""
        return None not in {self._cpu_file, self._usage_file, self._stat_file}

    def _open_first(self, controller: str, *names: str) -> int | None:
        directory = self._place.directories.get(controller)
        files = (self._try_open(directory / name) for name in names if directory and name)
        return next((file for file in files if file is not None), None)

    def _try_open(self, path: Path | None) -> int | None:
        with suppress(OSError):
            return self._open(path) if path else None
        return None

    def _open(self, path: Path) -> int:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._files.append(file)
        return file

    def read(self, container: ContainerInfo, now: float) -> Sample:
        """One sample. Raises OSError, or ValueError for an empty file, once the cgroup is gone."""
        self._turn = (self._turn + 1) % DETAIL_ROUNDS
        dear = not self._turn or not self._readings
        working_set, cache = self._read_memory(dear)
        periods, throttled = self._read_throttling(container)
        return Sample(
            container_id=container.ref.id,
            time=now,
            cpu=self._read_cpu(),
            memory=working_set,
            cache=cache,
            periods=periods,
            throttled=throttled,
            pids=_read_optional(self._pids_file, int),
            oom_kills=self._oom_kills,
            **(self._read_details(container) if dear else {}),
        )

    def _read_cpu(self) -> float:
        """Seconds of CPU. NaN if the host does not count them."""
        if self._cpu_file is None:
            return nan
        text = os.pread(self._cpu_file, 1024, 0)
        return layout.parse_field(text, self._layout.cpu_key) * self._layout.cpu_unit

    def _read_memory(self, dear: bool) -> tuple[int, int]:
        """The working set and the cache in it, in bytes. 0 if the host does not count them.

        The detailed read is expensive: while usage is unchanged, the last result is reused.
        """
        if self._usage_file is None or self._stat_file is None:
            return self._memory
        usage = int(os.pread(self._usage_file, 32, 0))
        if dear or usage != self._usage:
            stat = os.pread(self._stat_file, MAX_READ_BYTES, 0)
            inactive = layout.parse_field(stat, self._layout.inactive_key)
            working_set = usage - inactive if inactive < usage else usage
            active = layout.parse_field(stat, self._layout.active_key)
            self._usage, self._memory = usage, (working_set, min(active, working_set))
            self._oom_kills = _read_optional(self._oom_file, _parse_oom_kills)
        return self._memory

    def _read_throttling(self, container: ContainerInfo) -> tuple[int, int]:
        if container.cpu_limit is None:
            return 0, 0
        return _read_optional(self._quota_file, _parse_throttling) or (0, 0)

    def _read_details(self, container: ContainerInfo) -> dict[str, Any]:
        parents = None
        if self._readings % RARE_ROUNDS == 0:
            self._limit = _read_optional(self._limits_file, layout.parse_open_files_limit)
            parents = read_parents(self._place)
        self._readings += 1
        received, sent = self._read_network(container) or (None, None)
        return {
            "received": received,
            "sent": sent,
            "descriptors": self._count_descriptors(),
            "descriptors_limit": self._limit,
            "pressure": _read_optional(self._pressure_file, layout.parse_pressure),
            "parents": parents,
        }

    def _read_network(self, container: ContainerInfo) -> tuple[int, int] | None:
        """Bytes received and sent. None if the interfaces are the host's."""
        if self._network_path is None or container.network_mode == "host":
            return None
        with suppress(OSError):
            file = os.open(self._network_path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _read_optional(file, layout.parse_network)
            finally:
                os.close(file)
        return None

    def _count_descriptors(self) -> int | None:
        if self._fd_directory is None:
            return None
        try:
            if self._is_count_known:
                return os.fstat(self._fd_directory).st_size
            count = _count_entries(self._fd_directory)
        except OSError:
            return None
        if count > MAX_COUNTED_FILES:
            self._fd_directory = None
        return count if count <= MAX_COUNTED_FILES else None

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()


def _count_entries(directory: int) -> int:
    """The number of entries of an open directory, at most MAX_COUNTED + 1."""
    with os.scandir(directory) as entries:
        return sum(1 for _ in islice(entries, MAX_COUNTED_FILES + 1))


def _parse_oom_kills(text: bytes) -> int:
    return layout.parse_field(text, layout.OOM_KEY)


def _parse_throttling(text: bytes) -> tuple[int, int]:
    return layout.parse_field(text, layout.PERIODS_KEY), layout.parse_field(text, layout.THROTTLED_KEY)


def _read_optional(file: int | None, understand: Callable[[bytes], T]) -> T | None:
    """The parsed file. None if the file is missing or was removed."""
    if file is None:
        return None
    try:
        return understand(os.pread(file, MAX_READ_BYTES, 0))
    except (OSError, ValueError, IndexError):
        return None
