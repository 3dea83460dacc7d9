"""Samples all containers in rounds. A container's reader stays open while the container is requested."""

import logging
import resource
import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from hemostat.adapters.sampling.cgroups.activity import read_activity
from hemostat.adapters.sampling.cgroups.paths import CgroupPaths
from hemostat.adapters.sampling.cgroups.reader import DETAIL_ROUNDS, CgroupReader
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.usage.process_activity import Activity

ROOT: Final = Path("/")
RETRY_SECONDS: Final = 30.0
"""Seconds until a container whose files were not found is searched for again."""

logger = logging.getLogger(__name__)

Key = tuple[str, int, float]


class CgroupSampler:
    """The sampler of cgroup files. Safe to use from several threads.

    `root`: the directory that contains /proc and the mounts. A container is left out if its files cannot be
    read or cannot be shown to belong to it.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._places = CgroupPaths(root)
        self._proc = root / "proc"
        self._is_count_known = _measure_file(root / "proc/self/fd") > 0
        self._lock = threading.Lock()
        self._readers: dict[Key, CgroupReader] = {}
        self._missing: dict[Key, float] = {}
        self._turns = count()
        _raise_file_limit()

    def is_usable(self, container: ContainerInfo) -> bool:
        """Whether this container's CPU and memory can be read here, and are its own."""
        with self._lock:
            self._places.forget()
            try:
                probe = self._open(container)
            except OSError:
                return False
            probe.close()
            return probe.is_complete

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        infos_by_key = {(info.ref.id, info.pid, info.started_at): info for info in containers if info.pid}
        with self._lock:
            self._places.forget()
            self._keep_only(infos_by_key.keys())
            samples = (self._sample(key, info, now) for key, info in infos_by_key.items())
            return [sample for sample in samples if sample is not None]

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        try:
            with self._lock:
                cgroup_path = self._places.find(container)
            return (
                None
                if cgroup_path.process is None
                else read_activity(cgroup_path, self._proc, container, now)
            )
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        with self._lock:
            self._keep_only(set())

    def _keep_only(self, keys: AbstractSet[Key]) -> None:
        for key in self._readers.keys() - keys:
            self._readers.pop(key).close()
        for key in self._missing.keys() - keys:
            del self._missing[key]

    def _sample(self, key: Key, container: ContainerInfo, now: float) -> Sample | None:
        try:
            probe = self._readers.get(key)
            if probe is None:
                if self._is_resting(key, now):
                    return None
                probe = self._readers[key] = self._open(container)
            return probe.read(container, now)
        except Exception as error:  # noqa: BLE001 - one container's files must not cost the others their samples
            logger.debug("cgroup.read_failed container=%s error=%r", container.ref.name, error)
            self._missing[key] = now
            with suppress(KeyError):
                self._readers.pop(key).close()
            return None

    def _is_resting(self, key: Key, now: float) -> bool:
        missed_at = self._missing.pop(key, None)
        if missed_at is None or abs(now - missed_at) >= RETRY_SECONDS:
            return False
        self._missing[key] = missed_at
        return True

    def _open(self, container: ContainerInfo) -> CgroupReader:
        return CgroupReader(
            self._places.find(container),
            next(self._turns) % DETAIL_ROUNDS,
            is_count_known=self._is_count_known,
        )


def _measure_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _raise_file_limit() -> None:
    """Raise the limit of open files: a hundred containers need more than the default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
