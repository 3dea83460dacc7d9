"""The consumer of roles that work in steps: a step handles one event and returns the events to publish.

An entry is acknowledged in the same transaction that publishes its outputs, so a role may die at any point:
the entry is delivered again, and the step must be repeatable. Entries finished within a few milliseconds
share a transaction. Long work runs in the background and delays no other entry. A step that fails is tried
MAX_DELIVERIES times in total, across restarts. Then the entry is moved to the dead letters with its error,
the role publishes its events for that case, and the next entry is handled.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Final

from hemostat.consumer.acknowledgement import Acknowledger, describe_exception
from hemostat.consumer.context import CURRENT_INCIDENT, AnswerDeadLetter, ConsumerContext, ConsumerLimits
from hemostat.consumer.deferral import DeferredEntries
from hemostat.consumer.stream_loop import WAIT_SECONDS, StreamLoop
from hemostat.core.backoff import compute_backoff
from hemostat.events import Event
from hemostat.ports import Defer, Entry, Interrupted, RunInBackground
from hemostat.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS

GATHER_SECONDS: Final = 0.005
"""Seconds for which finished entries may wait for more to be acknowledged with them."""
MAX_QUEUED_PER_THREAD: Final = 4
"""Maximum entries for each background thread, running and waiting together."""

StepResult = Sequence[Event] | Defer | RunInBackground
"""The events to publish, a deferral, or background work."""
Step = Callable[[Event, float, Sequence[str]], StepResult]
"""A role's work on one event at one time, with the reasons to wait that were reported already."""
Work = Callable[[float], StepResult]
"""Work on an entry at one time: a step, or the background work that a step returned."""

logger = logging.getLogger(__name__)


class EventConsumer:
    """Runs one role's `step` over its streams."""

    def __init__(
        self,
        context: ConsumerContext,
        limits: ConsumerLimits,
        step: Step,
        *,
        answer_dead_letter: AnswerDeadLetter = lambda *_: (),
        describe_warning: Callable[[], str] = str,
    ) -> None:
        """`describe_warning` is called at every heartbeat and returns the role's warning for users; empty for
        no warning."""
        self._step = step
        self._clock = context.clock
        self._retry = context.retry
        self._stop = context.stop
        self._max_deliveries = limits.deliveries
        self._acknowledger = Acknowledger(context, answer_dead_letter=answer_dead_letter)
        self._deferred = DeferredEntries(self._run_step, context)
        self._background_pool = ThreadPoolExecutor(
            limits.background, thread_name_prefix=f"{context.role.name}-apart"
        )
        self._background_slots = threading.Semaphore(MAX_QUEUED_PER_THREAD * limits.background)
        self._loop = StreamLoop(
            context,
            limits,
            self._handle,
            prepare_read=self._look_at_deferred,
            describe_warning=describe_warning,
        )

    def run(self) -> None:
        """Work until `stop` is set. Entries held then are finished, or released to other consumers."""
        with self._background_pool, closing(self._deferred):
            with suppress(Interrupted):
                self._retry(self._deferred.begin)
            self._loop.run()
        self._loop.release()

    def _look_at_deferred(self) -> float:
        self._deferred.look()
        return self._deferred.seconds(WAIT_SECONDS)

    def _handle(self, entries: Iterable[Entry]) -> None:
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
        logger.info("entries.released finished=%d", len(done))
        with suppress(Interrupted):
            self._acknowledger.acknowledge(done)

    def _process_entry(self, entry: Entry) -> Sequence[Event] | None:
        """Return the events to publish when the entry is acknowledged; None where it was deferred or moved to
        the dead letters."""
        if self._stop.is_set():
            raise Interrupted
        if entry.event is not None:
            event, reported = entry.event, entry.reported
            return self._process_event(entry, event, lambda now: self._step(event, now, reported))
        self._acknowledger.bury(entry, entry.error)
        return None

    def _run_step(self, event: Event, reported: Sequence[str]) -> StepResult:
        about = CURRENT_INCIDENT.set(event.incident or "")
        try:
            return self._step(event, self._clock.now(), reported)
        finally:
            CURRENT_INCIDENT.reset(about)

    def _process_event(self, entry: Entry, event: Event, work: Work) -> Sequence[Event] | None:
        about = CURRENT_INCIDENT.set(event.incident or "")
        try:
            return self._try_work(entry, event, work)
        finally:
            CURRENT_INCIDENT.reset(about)

    def _try_work(self, entry: Entry, event: Event, work: Work) -> Sequence[Event] | None:
        tries = entry.deliveries
        while tries <= self._max_deliveries:
            try:
                result = self._retry(lambda: work(self._clock.now()))
            except Exception as error:
                logger.exception("event.failed event=%s try=%d", event.id, tries)
                reason = describe_exception(error)
                tries += 1
                self._clock.sleep(compute_backoff(tries, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS))
            else:
                return self._handle_result(entry, event, result)
        self._acknowledger.bury(
            entry, reason if tries > entry.deliveries else f"given up after {tries - 1} deliveries"
        )
        return None

    def _handle_result(self, entry: Entry, event: Event, result: StepResult) -> Sequence[Event] | None:
        match result:
            case Defer():
                self._acknowledger.put_off(entry, result)
                self._deferred.note(result.until)
            case RunInBackground(work=work) if self._background_slots.acquire(blocking=False):
                future = self._background_pool.submit(self._handle_in_background, entry, event, work)
                self._loop.add_background(future, entry)
            case RunInBackground(otherwise=otherwise):
                return self._process_event(entry, event, otherwise)
            case _:
                return result
        return None

    def _handle_in_background(self, entry: Entry, event: Event, work: Work) -> None:
        try:
            outputs = self._process_event(entry, event, work)
            if outputs is not None:
                self._acknowledger.acknowledge([(entry, outputs)])
        except Interrupted:
            self._acknowledge_finished([])
        finally:
            self._background_slots.release()
