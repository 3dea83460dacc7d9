"""Takes samples and measures disk use, probes and connections, each kind in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from hemostat.agents.monitor.disk_measurements import DiskMeasurements
from hemostat.agents.monitor.loop_errors import LoopErrors
from hemostat.agents.monitor.monitor import Monitor
from hemostat.background import DaemonPool
from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import (
    Answering,
    HostSample,
    Observation,
    Probed,
    Sample,
    Samples,
)
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import AdapterError
from hemostat.ports import Clock, EngineReader, HostProbe, Interrupted, Sampler

MAX_PROBE_THREADS: Final = 64
"""Maximum number of concurrent probes, one for each container: probes that hang must not delay the others,
nor add up."""
PEERS_SECONDS: Final = 1.0
"""Seconds between two checks whether the connections of the next container are to be read."""
FIRST_SAMPLE_SECONDS: Final = 5.0
"""Seconds that the first round of samples waits for the engine's list."""
RETRY_SECONDS: Final = 1.0
"""Seconds between two checks whether a container that the engine has not answered about is due."""

logger = logging.getLogger(__name__)


class Measurements:
    """Takes measurements. `tell` is called with each observation, from several threads."""

    def __init__(
        self,
        monitor: Monitor,
        engine: EngineReader,
        sampler: Sampler,
        host_probe: HostProbe,
        clock: Clock,
        thresholds: MonitorSettings,
        failures: LoopErrors,
        tell: Callable[[Observation], None],
    ) -> None:
        self._monitor = monitor
        self._sampler = sampler
        self._host_probe = host_probe
        self._clock = clock
        self._thresholds = thresholds
        self._failures = failures
        self._tell = tell
        self._prober = DaemonPool(MAX_PROBE_THREADS, "probe")
        self._probing: set[str] = set()
        """Containers whose probe has not ended."""
        self._measure_disks = DiskMeasurements(monitor, engine, host_probe, tell)
        self._wait_seconds = FIRST_SAMPLE_SECONDS
        self.sampled = threading.Event()
        """Set once the containers are listed, and when the last round of samples has been handled: a slow bus
        gets no backlog of samples."""

    def start(self) -> None:
        """Start the threads, which run until the clock tells them to stop."""
        limits = self._thresholds
        rounds = (
            ("sampling", self._tell_samples, limits.interval),
            ("measuring disk use", self._measure_disks.submit, limits.disk_interval),
            ("probing", self._submit_probes, limits.probe_interval),
            ("reading connections", self._tell_peers, PEERS_SECONDS),
            ("inspecting again", self._retry_inspections, RETRY_SECONDS),
            (
                "inspecting unresponsive containers",
                partial(self._retry_inspections, unresponsive=True),
                RETRY_SECONDS,
            ),
        )
        for activity, observe, interval in rounds:
            threading.Thread(target=self._repeat, args=(activity, interval, observe), daemon=True).start()

    def stop(self) -> None:
        self._prober.stop()
        self._measure_disks.stop()

    def _repeat(self, activity: str, interval: float, observe: Callable[[], None]) -> None:
        due = self._clock.now()
        try:
            while True:
                self._failures.attempt(activity, observe)
                # Never longer than the interval, because the clock may have been set back.
                now = self._clock.now()
                due = min(max(due + interval, now), now + interval)
                self._clock.sleep(due - now)
        except Interrupted:
            pass

    def _retry_inspections(self, *, unresponsive: bool = False) -> None:
        try:
            for container in self._monitor.retry_inspections(self._clock.now(), unresponsive=unresponsive):
                self._tell(Answering(container))
        except AdapterError as error:
            logger.debug("inspection.retry_failed error=%s", error)

    def _tell_samples(self) -> None:
        if not self.sampled.wait(self._wait_seconds):
            return
        self._wait_seconds = 0.0
        self.sampled.clear()
        # A round without samples still passes on the time.
        samples = self._failures.attempt("reading samples", self._read_samples) or []
        if (host := self._failures.attempt("measuring the host", self._measure_host)) is not None:
            self._tell(host)
        self._tell(Samples(tuple(samples)))

    def _read_samples(self) -> list[Sample]:
        try:
            return self._sampler.sample(self._monitor.list_running(), self._clock.now())
        except AdapterError as error:
            logger.warning("sample.failed error=%s", error)
            return []

    def _measure_host(self) -> HostSample | None:
        return self._host_probe.measure(self._clock.now())

    def _submit_probes(self) -> None:
        for container_id, target, route in self._monitor.list_probes():
            if container_id not in self._probing:
                self._probing.add(container_id)
                self._prober.submit(partial(self._run_probe, container_id, target, route))

    def _run_probe(self, container_id: str, target: ProbeTarget, route: ProbeRoute) -> None:
        try:
            error = self._host_probe.probe(target, route, self._thresholds.probe_timeout)
        finally:
            self._probing.discard(container_id)
        self._tell(Probed(container_id=container_id, time=self._clock.now(), error=error))

    def _tell_peers(self) -> None:
        peers = self._host_probe.read_peers(self._monitor.list_running(), self._clock.now())
        if peers is not None:
            self._tell(peers)
