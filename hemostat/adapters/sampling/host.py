"""Samples the host's CPU and disk, and checks its paths, if the engine runs on this host."""

import logging
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Final

from hemostat.background import run_in_background
from hemostat.core.model import ContainerInfo, HostSample

ROOT: Final = Path("/")
IDLE_FIELDS: Final = slice(3, 5)
"""idle and iowait in the first line of /proc/stat. Guest times are already included in user."""
COUNTED_FIELDS: Final = 8
LOOK_SECONDS: Final = 0.5
MAX_HANGING: Final = 32
"""Checks that may hang at the same time. Above this number no check begins."""

logger = logging.getLogger(__name__)


def find_missing_path(info: ContainerInfo) -> str:
    """The missing or changed path of the host that the container's start needs. Empty if all are present.

    Call it only if `sees_files` is true for the engine's process.
    """
    return next(_find_faults(info), "")


def _find_faults(info: ContainerInfo) -> Iterator[str]:
    for source, target in info.host_paths:
        mode = _read_mode(source)
        if mode == 0:
            yield f"{source}, which its start needs, does not exist on the host"
        inside = _read_mode(f"/proc/{info.pid}/root{target}") if info.pid and target else None
        if mode and inside and stat.S_ISDIR(mode) != stat.S_ISDIR(inside):
            kinds = ("a directory", "a file") if stat.S_ISDIR(mode) else ("a file", "a directory")
            yield f"{source} is now {kinds[0]}, but was mounted as {kinds[1]}"


def _read_mode(path: str) -> int | None:
    """The file mode. 0 if the path does not exist, None if unknown."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError:
        return None


def sees_files(process: int) -> bool:
    """Whether this process sees the same files as `process`, the engine. False if unknown.

    A process inside a container, or in a service with its own /tmp, sees other files.
    """
    try:
        own, other = (os.readlink(f"/proc/{each}/ns/mnt") for each in ("self", process))  # noqa: PTH115
    except OSError:
        return False
    return process > 0 and own == other


class HostPaths:
    """Checks the paths that containers need to start. `process` is the engine's.

    A check hangs on a file system whose server is gone. So each runs in its own thread, and is waited for at
    most LOOK_SECONDS.
    """

    def __init__(self, process: int) -> None:
        self._sees_files = sees_files(process)
        self._lock = threading.Lock()
        self._hanging: dict[str, Future[str]] = {}
        """By container id: checks that did not end in time."""

    def missing(self, info: ContainerInfo) -> str:
        """As `find_missing_path`. Empty also if the check hangs or fails."""
        container = info.ref.id
        with self._lock:
            self._hanging = {key: check for key, check in self._hanging.items() if not check.done()}
            is_barred = container in self._hanging or len(self._hanging) >= MAX_HANGING
        if is_barred or not (self._sees_files and info.host_paths):
            return ""
        check = run_in_background(lambda: find_missing_path(info), "host-paths")
        if wait([check], LOOK_SECONDS).done:
            return "" if check.exception() else check.result()
        logger.warning("host_path.timed_out container=%s", info.ref.name)
        with self._lock:
            self._hanging[container] = check
        return ""


class HostSampler:
    """Samples the host. `directory`: the data directory that the engine reports, below `root`."""

    def __init__(self, directory: str, root: Path = ROOT) -> None:
        self._directory = root / directory.lstrip("/")
        self._stat = root / "proc/stat"
        self._last_ticks = self._read_ticks()

    def sample(self, now: float) -> HostSample:
        """One sample. Unknown values are None, or 0 of 0 bytes."""
        size, used = self._read_disk()
        return HostSample(time=now, cpu=self._read_busy_share(), disk_size=size, disk_used=used)

    def _read_busy_share(self) -> float | None:
        """The busy share of CPU since the previous call, from 0 to 1.

        The kernel's iowait may run backwards.
        """
        before, self._last_ticks = self._last_ticks, self._read_ticks()
        if before is None or self._last_ticks is None:
            return None
        total, idle = (new - old for new, old in zip(self._last_ticks, before, strict=True))
        return min(max((total - idle) / total, 0.0), 1.0) if total > 0 else None

    def _read_ticks(self) -> tuple[int, int] | None:
        """All ticks, and idle ticks."""
        try:
            name, *numbers = self._stat.read_text().partition("\n")[0].split()
            ticks = [int(number) for number in numbers[:COUNTED_FIELDS]]
        except (OSError, ValueError):
            return None
        return (sum(ticks), sum(ticks[IDLE_FIELDS])) if name == "cpu" else None

    def _read_disk(self) -> tuple[int, int]:
        """Size and use in bytes, as df reports them: space reserved for root is not used."""
        try:
            disk = os.statvfs(self._directory)
        except OSError:
            return 0, 0
        return disk.f_blocks * disk.f_frsize, (disk.f_blocks - disk.f_bfree) * disk.f_frsize
