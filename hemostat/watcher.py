"""The monitor's loop: reads the engine's events and measurements, and publishes alerts and stats.

Blocking work has threads of its own, which feed one queue; one thread steps and publishes, in order. An
observation is finished when its alerts and the monitor state are on the bus, in one transaction.
"""

import logging
import threading
from collections.abc import Callable
from math import inf
from typing import Final

from hemostat.agents.monitor import Lister, Monitor
from hemostat.agents.monitor.loop_errors import LIST_ACTIVITY, LoopErrors
from hemostat.agents.monitor.measurements import Measurements
from hemostat.agents.monitor.observation_queue import ObservationQueue
from hemostat.core.backoff import compute_backoff
from hemostat.core.detection.cpu_share import CpuShare
from hemostat.core.detection.review import NO_ACTION_MODES
from hemostat.core.metrics.definitions import SAMPLES
from hemostat.core.model import (
    REMOVED_STATUS,
    Answering,
    Connected,
    Disconnected,
    EngineEvent,
    Listing,
    Mode,
    Observation,
    Samples,
    Waited,
)
from hemostat.core.remediation.modes import STRICTNESS
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import BusError
from hemostat.events import DURABLE, ContainerStats, Event, Heartbeat
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import Bus, Clock, EngineReader, HostProbe, Interrupted, Sampler
from hemostat.retry import Retry

STATS_TTL_SECONDS: Final = 10.0
"""Seconds for which a container's last stats are valid."""
IDLE_SECONDS: Final = 0.5
GONE_SECONDS: Final = 0.001
"""Seconds for which the last value of a removed container is stored."""

MAX_RELIST_SECONDS: Final = 60.0
"""Maximum seconds between two attempts to watch the listed containers, after failures."""
MODE_SHARE: Final = 20.0
MAX_MODE_SECONDS: Final = 300.0
"""The heartbeats of responders are read again after MODE_SHARE of the time that reading took."""

MAX_CPU_SHARE: Final = 0.4
CPU_BURST_SECONDS: Final = 60.0
"""CPU that handling takes: of a core, and seconds at once. A host with 300 containers needs 0.02 of a core,
and the start with 5,000 containers some seconds."""
BEHIND_WARNING: Final = (
    "the engine sends more events than are handled within the CPU limit: failures may be found late, by lists"
)

logger = logging.getLogger(__name__)


class Watcher:
    def __init__(
        self,
        monitor: Monitor,
        *,
        engine: EngineReader,
        sampler: Sampler,
        host_probe: HostProbe,
        bus: Bus,
        clock: Clock,
        heartbeat: HeartbeatSender,
        state_key: str,
        thresholds: MonitorSettings,
        stop: threading.Event,
        cpu_time: Callable[[], float] = float,
    ) -> None:
        """`cpu_time` returns the CPU seconds of the calling thread; by default 0, so without a limit."""
        self._monitor = monitor
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._heartbeat = heartbeat
        self._state_key = state_key
        self._stop = stop
        self._retry = Retry(clock)
        self._queue = ObservationQueue()
        self._saved_state = b""
        self._mode: Mode | None = None
        self._mode_due = 0.0
        self._lister = Lister(engine, clock, self._queue.put, cpu_time)
        self._cpu_time = cpu_time
        self._cpu_share = CpuShare(MAX_CPU_SHARE, CPU_BURST_SECONDS)
        self._is_slowed = False
        """Whether handling had to pause since the last heartbeat."""
        self._failures = LoopErrors()
        self._measurements = Measurements(
            monitor, engine, sampler, host_probe, clock, thresholds, self._failures, self._queue.put
        )
        self._relist_tries = 0
        self._relist_due = inf
        """When all containers are to be listed again, because their last list has failed (epoch seconds)."""

    def run(self) -> None:
        """Work until `stop` is set."""
        logger.info("role.started role=%s", "monitor")
        try:
            self._retry(self._restore_state)
            threading.Thread(target=self._listen, name="events", daemon=True).start()
            threading.Thread(target=self._lister.run, name="list", daemon=True).start()
            self._measurements.start()
            while not self._stop.is_set():
                self._run_once()
        except Interrupted:
            pass
        finally:
            self._lister.stop()
            self._measurements.stop()
            self._engine.close()
        logger.info("role.stopped role=%s handled=%d", "monitor", self._heartbeat.handled_count)

    def _restore_state(self) -> None:
        state = self._bus.load_state(self._state_key)
        if state is None:
            return
        try:
            self._monitor.restore_state(state)
        except (ValueError, RecursionError) as error:
            logger.warning("saved_state.rejected error=%s", error)

    # --- blocking work ------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Read events until the engine is closed. Errors do not end the thread: a monitor without events
        would seem healthy."""
        while not self._stop.is_set():
            try:
                for observation in self._engine.events(self._monitor.since):
                    if isinstance(observation, Connected):
                        self._lister.request_full_list()
                        continue
                    if isinstance(observation, Disconnected):
                        logger.warning("events.lost error=%s", observation.error)
                    self._queue.put(observation)
            except Exception as error:
                logger.exception("event_stream.failed")
                self._queue.put(Disconnected(f"{type(error).__name__}: {error}"))
                self._stop.wait(IDLE_SECONDS)
            else:
                return

    # --- decisions ----------------------------------------------------------------------------------

    def _run_once(self) -> None:
        if self._heartbeat.is_due():
            trouble = self._retry.trouble or self._lister.trouble or self._monitor.engine_trouble
            trouble = trouble or self._failures.trouble
            warnings = self._monitor.warnings + self._failures.warnings + self._check_pace()
            self._retry(lambda: self._heartbeat.send(trouble, len(self._queue), warnings))
            self._failures.attempt("mode of the responders", self._note_mode)
            self._relist_if_due()
            self._handle_left_out()
        if (pause := self._cpu_share.compute_pause(self._cpu_time(), self._clock.now())) > 0:
            self._is_slowed = True
            self._stop.wait(min(pause, IDLE_SECONDS))
            return
        observation = self._queue.get(self._compute_wait())
        if observation is None and self._monitor.find_next_due() is None:
            return
        self._handle(Waited() if observation is None else observation)

    def _check_pace(self) -> tuple[str, ...]:
        """Return the warning that the engine sends too much. Lists find what its events tell late."""
        is_slowed, self._is_slowed = self._is_slowed, False
        if not (is_slowed or self._engine.is_behind):
            return ()
        self._lister.request_list()
        return (BEHIND_WARNING,)

    def _handle_left_out(self) -> None:
        """Inspect the containers whose events were dropped."""
        for container in self._queue.take_left_out():
            self._queue.put(Answering(container))
        if self._queue.take_overflow():
            logger.warning("events.dropped reason=%s", "queue is full")
            self._lister.request_full_list()

    def _note_mode(self) -> None:
        """Tell the monitor when the responders of this host have changed their mode."""
        began = self._clock.now()
        if 0 < self._mode_due - began < MAX_MODE_SECONDS:
            return
        try:
            events = self._bus.read_last_values("heartbeat")
        except BusError as error:
            if not (error.transient or error.curable):
                raise
            events = []
        # Other users may send heartbeats of any number and size.
        now = self._clock.now()
        self._mode_due = now + min(MAX_MODE_SECONDS / 2, MODE_SHARE * (now - began))
        beats = [event.data for event in events if event.host == self._heartbeat.host]
        responders = [each for each in beats if isinstance(each, Heartbeat) and each.role == "responder"]
        modes = {each.mode for each in responders}
        if not modes or not modes <= STRICTNESS.keys():
            return
        rehearsed = {
            name for each in responders for name, mode in each.modes.items() if mode in NO_ACTION_MODES
        }
        laxest = min(modes, key=STRICTNESS.__getitem__)
        since = min(max(each.started, each.mode_since) for each in responders if each.mode == laxest)
        mode = Mode(laxest, tuple(sorted(rehearsed)), since)
        if mode != self._mode:
            self._mode = mode
            self._queue.put(mode)

    def _compute_wait(self) -> float:
        """Return the maximum seconds to wait for the next observation."""
        due = self._monitor.find_next_due()
        return IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(0.0, due - self._clock.now()))

    def _handle(self, observation: Observation) -> None:
        thorough = isinstance(observation, Listing) and observation.thorough
        activity = LIST_ACTIVITY if thorough else f"handling {type(observation).__name__}"
        try:
            events = self._failures.attempt(activity, lambda: self._step(observation))
        finally:
            if isinstance(observation, Samples | Listing):
                self._measurements.sampled.set()
        if thorough:
            self._relist_tries = 0 if events is not None else self._relist_tries + 1
            wait = compute_backoff(self._relist_tries, IDLE_SECONDS, MAX_RELIST_SECONDS)
            self._relist_due = self._clock.now() + wait if wait else inf
        if events is None:
            return
        if not (isinstance(observation, EngineEvent) and not events and len(self._queue)):
            # Otherwise the state may be stored with the next observation: the next monitor reads again what
            # the state lacks.
            self._failures.attempt("publishing", lambda: self._publish(events))
        self._heartbeat.handled_count += 1
        if isinstance(observation, Samples):
            self._heartbeat.count(SAMPLES, self._heartbeat.host, by=len(observation.samples))

    def _step(self, observation: Observation) -> list[Event]:
        self._monitor.event_span = self._queue.span
        return self._retry(lambda: self._monitor.step(observation, self._clock.now()))

    def _relist_if_due(self) -> None:
        """List all containers again: without the list no container is watched."""
        if self._clock.now() >= self._relist_due:
            self._relist_due = inf
            self._lister.request_full_list()

    def _publish(self, events: list[Event]) -> None:
        durable = [event for event in events if event.type in DURABLE]
        state = self._monitor.encode_state()
        if durable or state != self._saved_state:
            self._retry(lambda: self._bus.publish(durable, state=(self._state_key, state)))
            self._saved_state = state
        live = [event for event in events if event.type not in DURABLE]
        removed = [event for event in live if _is_removed(event)]
        if len(live) > len(removed):
            present = [event for event in live if event not in removed] if removed else live
            self._retry(lambda: self._bus.publish_live(present, ttl=STATS_TTL_SECONDS))
        if removed:
            self._retry(lambda: self._bus.publish_live(removed, ttl=GONE_SECONDS))


def _is_removed(event: Event) -> bool:
    return isinstance(event.data, ContainerStats) and event.data.state.status == REMOVED_STATUS
