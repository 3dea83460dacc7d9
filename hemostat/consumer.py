"""The loop of every role that reads streams: read, step, publish, acknowledge.

An entry is acknowledged in the same transaction that publishes its outputs, so a role may die at any point:
the entry is delivered again, and the step must be repeatable. Entries finished within a few milliseconds
share a transaction. Long work runs in the background and delays no other entry. Transient failures are waited
out. A step that fails otherwise is tried MAX_DELIVERIES times in total, across restarts. Then the entry is
moved to the dead letters with its error, the role publishes its events for that case, and the next entry is
handled.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import ContextVar
from typing import Final

import msgspec

from hemostat.acknowledgement import MAX_DELIVERIES, Acknowledger, AnswerDeadLetter, describe_exception
from hemostat.core.backoff import compute_backoff
from hemostat.deferral import DeferredEntries
from hemostat.errors import AdapterError
from hemostat.events import Event
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import Bus, Clock, Defer, Entry, Interrupted, RunInBackground
from hemostat.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS, Retry
from hemostat.streams import Role

WAIT_SECONDS: Final = 1.0
"""Maximum seconds of one read."""
GATHER_SECONDS: Final = 0.005
"""Seconds for which finished entries may wait for more to be acknowledged with them."""
CLAIM_IDLE_SECONDS: Final = 30.0
"""Seconds without a sign of life of its consumer after which an entry is taken over."""

MAX_QUEUED_PER_THREAD: Final = 4
"""Maximum entries for each background thread, running and waiting together."""

Step = Callable[[Event, float], Sequence[Event] | Defer | RunInBackground]
"""A role's work on one event at one time: returns the events to publish, a deferral, or background work."""

CURRENT_INCIDENT: Final[ContextVar[str]] = ContextVar("incident", default="")
"""The incident that this thread works on, which every log line names."""

logger = logging.getLogger(__name__)


class EventConsumer:
    """Runs one role's `step` over its streams, on at most `workers` entries at a time."""

    def __init__(
        self,
        role: Role,
        step: Step,
        *,
        group: str,
        bus: Bus,
        clock: Clock,
        pulse: HeartbeatSender,
        consumer: str,
        workers: int,
        stop: threading.Event,
        notice: Callable[[], str] = str,
        ahead: int = 0,
        apart: int = 1,
        buried: AnswerDeadLetter = lambda *_: (),
        keep: Callable[[Sequence[Event]], object] = list,
        tries: float = MAX_DELIVERIES,
        patience: Retry | None = None,
    ) -> None:
        """`ahead`: how many entries may be held beyond those in progress, where steps are short. `notice` is
        called at every heartbeat and returns the role's warning for users; empty for none. `apart`: how many
        background entries are handled at a time, in addition. `keep` receives the events that are about to be
        acknowledged, in batches, which cost less. `tries`: how often an entry may be delivered before it
        becomes a dead letter."""
        self._role = role
        self._group = group
        self._step = step
        self._bus = bus
        self._clock = clock
        self._heartbeat = pulse
        self._consumer = consumer
        self._workers = workers
        self._ahead = ahead
        self._stop = stop
        self._notice = notice
        self._tries = tries
        self._retry = patience or Retry(clock)
        self._acknowledger = Acknowledger(bus, group, clock, self._retry, keep=keep, buried=buried)
        self._working: dict[Future[None], Sequence[Entry]] = {}
        self._in_background: dict[Future[None], Sequence[Entry]] = {}
        self._started: deque[tuple[Future[None], Entry]] = deque()
        """Background work that the workers have started, for the loop to take into `_in_background`."""
        self._background_pool = ThreadPoolExecutor(apart, thread_name_prefix=f"{role.name}-apart")
        self._background_slots = threading.Semaphore(MAX_QUEUED_PER_THREAD * apart)
        self._may_have_left = True
        """Whether entries may have been delivered to this consumer without its knowledge: to a process that
        was killed, or in an answer of Redis that was lost."""
        self._deferred = DeferredEntries(
            self._run_step,
            group=group,
            reads=role.reads,
            bus=bus,
            clock=clock,
            patience=self._retry,
            stop=stop,
            is_used=role.defers,
        )

    def run(self) -> None:
        """Work until `stop` is set. Entries held then are finished, or left for the next delivery."""
        logger.info("role.started role=%s instance=%s", self._role.name, self._consumer)
        with (
            self._background_pool,
            ThreadPoolExecutor(self._workers, thread_name_prefix=self._role.name) as pool,
        ):
            try:
                self._retry(self._deferred.begin)
                while not self._stop.is_set():
                    self._retry(lambda: self._run_once(pool))
            except Interrupted:
                pass
            finally:
                self._deferred.close()
        logger.info("role.stopped role=%s handled=%d", self._role.name, self._heartbeat.handled)

    def _run_once(self, pool: ThreadPoolExecutor) -> None:
        if self._may_have_left:
            left = self._find_left_behind()
            self._bus.keep(self._group, self._consumer, left)
            self._resubmit(pool, left)
        self._may_have_left = True
        if self._heartbeat.due():
            self._do_housekeeping(pool)
        self._deferred.look()
        self._collect_in_hand()
        free = self._workers + self._ahead - sum(map(len, self._working.values()))
        if free <= self._ahead // 2:  # a read that returns few entries costs more than it gains
            wait(self._working, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        else:
            reads = self._role.reads
            timeout = self._deferred.seconds(WAIT_SECONDS)
            self._submit(
                pool, self._bus.read(self._group, self._consumer, reads, count=free, timeout=timeout)
            )
        self._may_have_left = False

    def _do_housekeeping(self, pool: ThreadPoolExecutor) -> None:
        """Do the work of every heartbeat: keep the entries held, and take over entries of failed
        consumers."""
        name, reads = self._group, self._role.reads
        self._bus.keep(name, self._consumer, self._collect_in_hand())
        self._resubmit(pool, self._bus.claim(name, self._consumer, reads, idle=CLAIM_IDLE_SECONDS))
        self._heartbeat.beat(self._retry.trouble or self._describe_warning(), self._bus.lag(name, reads))

    def _describe_warning(self) -> str:
        """Return the role's warning. A role whose warning cannot be computed continues to work."""
        try:
            return self._notice()
        except AdapterError:
            raise
        except Exception as error:
            logger.exception("notice.failed")
            return f"its notice fails: {type(error).__name__}; the log says more"

    def _find_left_behind(self) -> list[Entry]:
        """Return entries that this consumer received, has not acknowledged, and does not hold."""
        in_hand = {(entry.stream, entry.id) for entry in self._collect_in_hand()}
        given = self._bus.unfinished(self._group, self._consumer, self._role.reads)
        return [entry for entry in given if (entry.stream, entry.id) not in in_hand]

    def _collect_in_hand(self) -> list[Entry]:
        for working in (self._working, self._in_background):
            for future in [future for future in working if future.done()]:
                self._heartbeat.handled += len(working.pop(future))
                future.result()
            while self._started:  # after the futures that may have started background work were collected
                begun, entry = self._started.popleft()
                self._in_background[begun] = [entry]
        held = (*self._working.values(), *self._in_background.values())
        return [entry for entries in held for entry in entries]

    def _submit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        """Submit entries in batches where steps are short: passing single entries between threads costs
        more."""
        size = 1 + self._ahead
        for start in range(0, len(entries), size):
            some = entries[start : start + size]
            self._working[pool.submit(self._handle, some)] = some

    def _resubmit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        """Submit each entry separately, in order. An entry that kills its worker is among the first ones:
        those behind it were not started, and are not given up with it."""
        for number, entry in enumerate(entries):
            tries = entry.deliveries if number < self._workers else min(entry.deliveries, MAX_DELIVERIES)
            one = [msgspec.structs.replace(entry, deliveries=tries)]
            self._working[pool.submit(self._handle, one)] = one

    def _handle(self, entries: Sequence[Entry]) -> None:
        """Handle entries one after the other. Those finished within GATHER_SECONDS are acknowledged
        together."""
        done: list[tuple[Entry, Sequence[Event]]] = []
        since = self._clock.now()
        try:
            for entry in entries:
                outputs = self._process_entry(entry)
                if outputs is not None:
                    done.append((entry, outputs))
                if not 0 <= self._clock.now() - since < GATHER_SECONDS:
                    self._acknowledger.acknowledge(done)
                    done, since = [], self._clock.now()
            self._acknowledger.acknowledge(done)
        except Interrupted:
            self._acknowledge_finished(done)

    def _acknowledge_finished(self, done: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        """Acknowledge finished entries when the process is to stop, if that succeeds at once."""
        logger.info("entries.left finished=%d", len(done))
        with suppress(Interrupted):
            self._acknowledger.acknowledge(done)

    def _process_entry(self, entry: Entry) -> Sequence[Event] | None:
        """Return the events to publish when the entry is acknowledged; None where it was deferred or moved to
        the dead letters."""
        if self._stop.is_set():
            raise Interrupted
        if entry.event is not None:
            return self._process_event(entry, entry.event, self._step)
        self._acknowledger.bury(entry, entry.error)
        return None

    def _run_step(self, event: Event) -> Sequence[Event] | Defer | RunInBackground:
        about = CURRENT_INCIDENT.set(event.incident or "")
        try:
            return self._step(event, self._clock.now())
        finally:
            CURRENT_INCIDENT.reset(about)

    def _process_event(self, entry: Entry, event: Event, step: Step) -> Sequence[Event] | None:
        about = CURRENT_INCIDENT.set(event.incident or "")
        try:
            return self._try_step(entry, event, step)
        finally:
            CURRENT_INCIDENT.reset(about)

    def _try_step(self, entry: Entry, event: Event, step: Step) -> Sequence[Event] | None:
        tries = entry.deliveries
        while tries <= self._tries:
            try:
                result = self._retry(lambda: step(event, self._clock.now()))
            except Exception as error:
                logger.exception("step.failed event=%s try=%d", event.id, tries)
                reason = describe_exception(error)
                tries += 1
                self._clock.sleep(compute_backoff(tries, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS))
            else:
                return self._handle_result(entry, event, result)
        self._acknowledger.bury(
            entry, reason if tries > entry.deliveries else f"given up after {tries - 1} deliveries"
        )
        return None

    def _handle_result(
        self, entry: Entry, event: Event, result: Sequence[Event] | Defer | RunInBackground
    ) -> Sequence[Event] | None:
        match result:
            case Defer():
                self._acknowledger.put_off(entry, result)
                self._deferred.note(result.until)
            case RunInBackground(work=work) if self._background_slots.acquire(blocking=False):
                future = self._background_pool.submit(
                    self._handle_in_background, entry, event, lambda _, now: work(now)
                )
                self._started.append((future, entry))
            case RunInBackground(otherwise=otherwise):
                return self._process_event(entry, event, lambda _, now: otherwise(now))
            case _:
                return result
        return None

    def _handle_in_background(self, entry: Entry, event: Event, step: Step) -> None:
        try:
            outputs = self._process_event(entry, event, step)
            if outputs is not None:
                self._acknowledger.acknowledge([(entry, outputs)])
        except Interrupted:
            self._acknowledge_finished([])
        finally:
            self._background_slots.release()
