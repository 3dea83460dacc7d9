"""The monitor's loop: the engine's events and the rounds of measuring in, alerts and stats out.

Whatever blocks has a thread of its own and feeds one queue; one thread steps and publishes, in order. An
observation is done with when its alerts and the monitor's memo are on the bus, in one transaction.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Final

import msgspec

from hemostat.agents.monitor import Lister, Monitor
from hemostat.core.label_values import Target
from hemostat.core.measures import SAMPLES
from hemostat.core.model import (
    REMOVED,
    Answering,
    Connected,
    ContainerInfo,
    Disconnected,
    DiskUse,
    Listing,
    Mode,
    Observation,
    Probed,
    Samples,
    Waited,
)
from hemostat.core.policy import STRICTNESS
from hemostat.core.thresholds import Thresholds
from hemostat.errors import AdapterError
from hemostat.events import DURABLE, ContainerStats, Event, Heartbeat
from hemostat.ports import Bus, Clock, Engine, Interrupted, Sampler, Surroundings
from hemostat.pulse import Pulse
from hemostat.retry import Patience

STATS_LAST: Final = 10.0
"""Seconds for which a container's last stats are believed."""
PROBES: Final = 16
"""At a time: one that hangs must not keep the others waiting."""
PEERS: Final = 1.0
"""Seconds between two looks whether the connections of the next container are to be read."""
IDLE: Final = 0.5
FIRST: Final = 5.0
"""Seconds for which the first round of samples waits for the engine's list."""

RETRY_SECONDS: Final = 5.0
"""Between two looks whether a container is due that the engine has not answered about."""
GONE_SECONDS: Final = 0.001
"""For which the last value of a container that is gone is kept."""

logger = logging.getLogger(__name__)


class Watcher:
    def __init__(
        self,
        monitor: Monitor,
        *,
        engine: Engine,
        sampler: Sampler,
        surroundings: Surroundings,
        bus: Bus,
        clock: Clock,
        pulse: Pulse,
        memo_key: str,
        thresholds: Thresholds,
        stop: threading.Event,
    ) -> None:
        self._monitor = monitor
        self._engine = engine
        self._sampler = sampler
        self._surroundings = surroundings
        self._bus = bus
        self._clock = clock
        self._pulse = pulse
        self._memo_key = memo_key
        self._thresholds = thresholds
        self._prober = ThreadPoolExecutor(PROBES, thread_name_prefix="probe")
        self._stop = stop
        self._patience = Patience(clock)
        self._queue: SimpleQueue[Observation] = SimpleQueue()
        self._memo = b""
        self._mode = ""
        self._patient_for = FIRST
        self._lister = Lister(engine, clock, self._queue.put)
        self._sampled = threading.Event()
        """Set once the containers are listed, and while the last round of samples has been dealt with: a slow
        bus gets no backlog of them."""

    def run(self) -> None:
        """Work until `stop` is set."""
        logger.info("role.started role=%s", "monitor")
        try:
            self._patience(self._remember)
            threading.Thread(target=self._listen, name="events", daemon=True).start()
            threading.Thread(target=self._lister.run, name="list", daemon=True).start()
            limits = self._thresholds
            rounds = {
                self._samples: limits.interval,
                self._disks: limits.disk_interval,
                self._probes: limits.probe_interval,
                self._peers: PEERS,
                self._retry: RETRY_SECONDS,
            }
            for observe, interval in rounds.items():
                threading.Thread(target=self._every, args=(interval, observe), daemon=True).start()
            while not self._stop.is_set():
                self._turn()
        except Interrupted:
            pass
        finally:
            self._lister.stop()
            self._prober.shutdown(wait=False, cancel_futures=True)
            self._engine.close()
        logger.info("role.stopped role=%s handled=%d", "monitor", self._pulse.handled)

    def _remember(self) -> None:
        memo = self._bus.recall(self._memo_key)
        if memo is None:
            return
        try:
            self._monitor.restore(memo)
        except msgspec.MsgspecError as error:
            logger.warning("memo.unreadable error=%s", error)

    # --- what blocks --------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Until the engine is closed: a monitor that no longer hears anything would seem well."""
        while not self._stop.is_set():
            try:
                for observation in self._engine.events(self._monitor.since):
                    if isinstance(observation, Connected):
                        self._lister.list_all()
                        continue
                    if isinstance(observation, Disconnected):
                        logger.warning("events.lost error=%s", observation.error)
                    self._queue.put(observation)
            except Exception as error:
                logger.exception("listening.failed")
                self._queue.put(Disconnected(f"{type(error).__name__}: {error}"))
                self._stop.wait(IDLE)
            else:
                return

    def _retry(self) -> None:
        try:
            for container in self._monitor.retry(self._clock.now()):
                self._queue.put(Answering(container))
        except AdapterError as error:
            logger.debug("retry.failed error=%s", error)

    def _every(self, interval: float, observe: Callable[[], None]) -> None:
        due = self._clock.now()
        try:
            while not self._stop.is_set():
                try:
                    observe()
                except Exception:
                    logger.exception("observing.failed")
                # Never longer than the interval, for the clock may have been set back.
                now = self._clock.now()
                due = min(max(due + interval, now), now + interval)
                self._clock.sleep(due - now)
        except Interrupted:
            pass

    def _samples(self) -> None:
        if not self._sampled.wait(self._patient_for):
            return
        self._patient_for = 0.0
        self._sampled.clear()
        try:
            self._measure()
        except Exception:
            self._sampled.set()
            raise

    def _measure(self) -> None:
        try:
            samples = self._sampler.sample(self._monitor.running(), self._clock.now())
        except AdapterError as error:
            logger.warning("sampling.failed error=%s", error)
            samples = []
        if (host := self._surroundings.measure(self._clock.now())) is not None:
            self._queue.put(host)
        self._queue.put(Samples(tuple(samples)))

    def _disks(self) -> None:
        for info in self._monitor.measured():
            log = self._surroundings.size(info.log_path) if info.log_path else None
            self._queue.put(DiskUse(info.ref.id, self._writable_size(info), log))

    def _writable_size(self, info: ContainerInfo) -> int | None:
        try:
            return self._engine.writable_size(info.ref.id)
        except AdapterError as error:
            logger.warning("measuring.failed container=%s error=%s", info.ref.name, error)
            return None

    def _probes(self) -> None:
        for container_id, target, address in self._monitor.probed():
            self._prober.submit(self._probe, container_id, target, address)

    def _peers(self) -> None:
        found = self._surroundings.peers(self._monitor.running(), self._clock.now())
        if found is not None:
            self._queue.put(found)

    def _probe(self, container_id: str, target: Target, address: str) -> None:
        error = self._surroundings.probe(target, address, self._thresholds.probe_timeout)
        self._queue.put(Probed(container_id=container_id, time=self._clock.now(), error=error))

    # --- what decides -------------------------------------------------------------------------------

    def _turn(self) -> None:
        if self._pulse.due():
            trouble = self._patience.trouble or self._lister.trouble or self._monitor.lost
            warnings = self._monitor.warnings
            self._patience(lambda: self._pulse.beat(trouble, self._queue.qsize(), warnings))
            self._note_mode()
        try:
            observation = self._queue.get(timeout=self._wait())
        except Empty:
            if self._monitor.due() is None:
                return
            observation = Waited()
        self._handle(observation)

    def _note_mode(self) -> None:
        """Tell the monitor once the responders of this host are in another mode."""
        told = self._patience(lambda: self._bus.last("heartbeat"))
        beats = [event.data for event in told if event.host == self._pulse.host]
        modes = {each.mode for each in beats if isinstance(each, Heartbeat) and each.role == "responder"}
        mode = (
            min(modes, key=STRICTNESS.index, default=self._mode) if modes <= set(STRICTNESS) else self._mode
        )
        if mode != self._mode:
            self._mode = mode
            self._queue.put(Mode(mode))

    def _wait(self) -> float:
        """Seconds for which the next observation may be awaited."""
        due = self._monitor.due()
        return IDLE if due is None else min(IDLE, max(0.0, due - self._clock.now()))

    def _handle(self, observation: Observation) -> None:
        try:
            events = self._patience(lambda: self._monitor.step(observation, self._clock.now()))
        except Exception:
            logger.exception("observation.failed observation=%r", observation)
            if isinstance(observation, Listing) and observation.thorough:
                # Without the list nobody is watched.
                self._clock.sleep(IDLE)
                self._lister.list_all()
            return
        finally:
            if isinstance(observation, Samples | Listing):
                self._sampled.set()
        self._tell(events)
        self._pulse.handled += 1
        if isinstance(observation, Samples):
            self._pulse.count(SAMPLES, self._pulse.host, by=len(observation.samples))

    def _tell(self, events: list[Event]) -> None:
        durable = [event for event in events if event.type in DURABLE]
        memo = self._monitor.memo()
        if durable or memo != self._memo:
            self._patience(lambda: self._bus.publish(durable, memo=(self._memo_key, memo)))
            self._memo = memo
        live = [event for event in events if event.type not in DURABLE]
        gone = [event for event in live if _is_removed(event)]
        if len(live) > len(gone):
            kept = [event for event in live if event not in gone] if gone else live
            self._patience(lambda: self._bus.show(kept, ttl=STATS_LAST))
        if gone:
            self._patience(lambda: self._bus.show(gone, ttl=GONE_SECONDS))


def _is_removed(event: Event) -> bool:
    return isinstance(event.data, ContainerStats) and event.data.state.status == REMOVED
