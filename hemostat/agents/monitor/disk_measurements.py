"""Measures the disk use of containers in a few threads, so that one that hangs delays the others little.

A container that the engine has not answered about in a short time is measured in another thread from then on,
with more time.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from hemostat.agents.monitor.monitor import Monitor
from hemostat.background import DaemonPool
from hemostat.core.labels.project import get_project, take_turns
from hemostat.core.model import ContainerInfo, DiskUse
from hemostat.errors import AdapterError, EngineTimeoutError
from hemostat.ports import EngineReader, HostProbe

MAX_THREADS: Final = 4

logger = logging.getLogger(__name__)


class DiskMeasurements:
    """`tell` is called with each measurement, from several threads."""

    def __init__(
        self, monitor: Monitor, engine: EngineReader, host_probe: HostProbe, tell: Callable[[DiskUse], None]
    ) -> None:
        self._monitor = monitor
        self._engine = engine
        self._host_probe = host_probe
        self._tell = tell
        self._threads = DaemonPool(MAX_THREADS, "disk")
        self._slow_thread = DaemonPool(1, "disk-slow")
        self._measuring: set[str] = set()
        """Containers whose measurement has not ended."""
        self._slow: set[str] = set()
        """Containers whose last measurement took too long."""

    def submit(self) -> None:
        """Start a measurement of each container without one. Projects take turns."""
        measured = self._monitor.list_disk_measured()
        self._slow &= {info.ref.id for info in measured}
        for info in take_turns(measured, lambda each: get_project(each.ref)):
            if info.ref.id not in self._measuring:
                self._measuring.add(info.ref.id)
                threads = self._slow_thread if info.ref.id in self._slow else self._threads
                threads.submit(partial(self._measure, info))

    def stop(self) -> None:
        for threads in (self._threads, self._slow_thread):
            threads.stop()

    def _measure(self, info: ContainerInfo) -> None:
        measure = partial(self._measure_disk, info)
        try:
            self._monitor.attempt(info.ref, "measure the disk use of", measure)
        finally:
            self._measuring.discard(info.ref.id)

    def _measure_disk(self, info: ContainerInfo) -> None:
        log = self._host_probe.measure_file(info.log_path) if info.log_path else None
        self._tell(DiskUse(info.ref.id, self._measure_writable_size(info), log))

    def _measure_writable_size(self, info: ContainerInfo) -> int | None:
        try:
            size = self._engine.writable_size(info.ref.id, brief=info.ref.id not in self._slow)
        except AdapterError as error:
            if isinstance(error, EngineTimeoutError):
                self._slow.add(info.ref.id)
            logger.warning("disk_measurement.failed container=%s error=%s", info.ref.name, error)
            return None
        self._slow.discard(info.ref.id)
        return size
