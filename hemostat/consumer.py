"""The loop of every role that reads streams: read, step, publish, acknowledge.

An entry is acknowledged in the same transaction that publishes what came of it, so a role may die at any
point: the entry is delivered again, and the step must bear that. What is finished within a few milliseconds
shares a transaction. What takes long runs apart, and keeps nothing waiting. What passes is waited out. A
step that fails otherwise is tried MAX_DELIVERIES times in all, over restarts too; then the entry is buried
with its error, the role says what people are to know of it, and the next one has its turn.
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
"""Seconds that a read waits at most."""
GATHER_SECONDS: Final = 0.005
"""Seconds for which what is finished may wait for more to be acknowledged with it."""
CLAIM_IDLE_SECONDS: Final = 30.0
"""Seconds without a sign of its consumer after which an entry is taken over."""

MAX_QUEUED_PER_THREAD: Final = 4
"""For each that runs apart, how many may be there in all: the others wait for their turn."""

Step = Callable[[Event, float], Sequence[Event] | Defer | RunInBackground]
"""A role's work on one event at one time: what to publish, when to ask again, or what is to run apart."""

CURRENT_INCIDENT: Final[ContextVar[str]] = ContextVar("incident", default="")
"""The incident that this thread works on: every log line on the way is about it."""

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
        """`ahead`: how many entries may be in hand beyond those worked on, where steps are short. `notice` is
        asked at every heartbeat for what people should know of the role; empty for nothing. `apart`: how many
        entries that take long are worked on at a time, besides. `keep` is handed the events that are about to
        be acknowledged: what is done for many at once costs less. `tries`: how often an entry may be
        delivered before it is buried."""
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
        """What the workers have set apart, for the loop to take into `_slow`."""
        self._background_pool = ThreadPoolExecutor(apart, thread_name_prefix=f"{role.name}-apart")
        self._background_slots = threading.Semaphore(MAX_QUEUED_PER_THREAD * apart)
        self._may_have_left = True
        """Whether entries may have been given to this consumer that it does not know of: by a process that
        was killed, or in an answer of Redis that was lost on the way."""
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
        """Work until `stop` is set; what is in hand then is finished or left for the next delivery."""
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
        if free <= self._ahead // 2:  # a read brings many, or it costs more than it brings
            wait(self._working, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        else:
            reads = self._role.reads
            timeout = self._deferred.seconds(WAIT_SECONDS)
            self._submit(
                pool, self._bus.read(self._group, self._consumer, reads, count=free, timeout=timeout)
            )
        self._may_have_left = False

    def _do_housekeeping(self, pool: ThreadPoolExecutor) -> None:
        """What is done at every heartbeat: hold on to what is in hand, take over what others dropped."""
        name, reads = self._group, self._role.reads
        self._bus.keep(name, self._consumer, self._collect_in_hand())
        self._resubmit(pool, self._bus.claim(name, self._consumer, reads, idle=CLAIM_IDLE_SECONDS))
        self._heartbeat.beat(self._retry.trouble or self._describe_warning(), self._bus.lag(name, reads))

    def _describe_warning(self) -> str:
        """A role that cannot say how it is works on."""
        try:
            return self._notice()
        except AdapterError:
            raise
        except Exception as error:
            logger.exception("notice.failed")
            return f"its notice fails: {type(error).__name__}; the log says more"

    def _find_left_behind(self) -> list[Entry]:
        """What this consumer was given, has not acknowledged, and does not have in hand."""
        in_hand = {(entry.stream, entry.id) for entry in self._collect_in_hand()}
        given = self._bus.unfinished(self._group, self._consumer, self._role.reads)
        return [entry for entry in given if (entry.stream, entry.id) not in in_hand]

    def _collect_in_hand(self) -> list[Entry]:
        for working in (self._working, self._in_background):
            for future in [future for future in working if future.done()]:
                self._heartbeat.handled += len(working.pop(future))
                future.result()
            while self._started:  # after those who may have set something apart were looked at
                begun, entry = self._started.popleft()
                self._in_background[begun] = [entry]
        held = (*self._working.values(), *self._in_background.values())
        return [entry for entries in held for entry in entries]

    def _submit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        """Where steps are short one worker does many: threads that hand over to each other cost more."""
        size = 1 + self._ahead
        for start in range(0, len(entries), size):
            some = entries[start : start + size]
            self._working[pool.submit(self._handle, some)] = some

    def _resubmit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        """Each for itself, in order. If one of them kills its worker, it is among the first: those behind it
        were not begun, and are not given up with it."""
        for number, entry in enumerate(entries):
            tries = entry.deliveries if number < self._workers else min(entry.deliveries, MAX_DELIVERIES)
            one = [msgspec.structs.replace(entry, deliveries=tries)]
            self._working[pool.submit(self._handle, one)] = one

    def _handle(self, entries: Sequence[Entry]) -> None:
        """One after the other; what is finished within GATHER is acknowledged together."""
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
        """When told to stop: what is finished is acknowledged if that can be done now."""
        logger.info("entries.left finished=%d", len(done))
        with suppress(Interrupted):
            self._acknowledger.acknowledge(done)

    def _process_entry(self, entry: Entry) -> Sequence[Event] | None:
        """What is to be published when the entry is acknowledged; None where it is put off or buried."""
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
