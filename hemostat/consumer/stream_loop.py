"""The loop of every role that reads streams: reads entries, and submits them to worker threads.

Transient failures are waited out. Entries of a consumer that failed are taken over. Entries that this
consumer received without its knowledge, before a restart or in a response of Redis that was lost, are handled
again.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

import msgspec

from hemostat.consumer.context import MAX_DELIVERIES, ConsumerContext, ConsumerLimits
from hemostat.errors import AdapterError
from hemostat.ports import Entry, Interrupted

WAIT_SECONDS: Final = 1.0
"""Maximum seconds of one read."""
CLAIM_IDLE_SECONDS: Final = 30.0
"""Seconds without a sign of life of its consumer after which an entry is taken over."""

HandleEntries = Callable[[Iterable[Entry]], None]
"""Handles entries in a worker thread, and takes each one when its handling begins. An entry that is neither
acknowledged nor moved is delivered again."""

logger = logging.getLogger(__name__)


class StreamLoop:
    def __init__(
        self,
        context: ConsumerContext,
        limits: ConsumerLimits,
        handle: HandleEntries,
        *,
        prepare_read: Callable[[], float] = lambda: WAIT_SECONDS,
        describe_warning: Callable[[], str] = str,
    ) -> None:
        """`prepare_read` is called before every read and returns how many seconds the read may wait for an
        entry. `describe_warning` is called at every heartbeat and returns the role's warning for users; empty
        for no warning."""
        self._context = context
        self._limits = limits
        self._handle = handle
        self._prepare_read = prepare_read
        self._describe_warning = describe_warning
        self._lock = threading.Lock()
        """Held while an entry moves from `_queued` to the entries of a worker."""
        self._queued: deque[Entry] = deque()
        """Entries that wait for a worker. An entry that takes long delays no entry after it."""
        self._working: dict[Future[None], Sequence[Entry]] = {}
        self._in_background: dict[Future[None], Sequence[Entry]] = {}
        self._started: deque[tuple[Future[None], Entry]] = deque()
        """Background work that the workers have started, for the loop to take into `_in_background`."""
        self._may_have_left = True
        """Whether entries may have been delivered to this consumer without its knowledge."""

    def run(self) -> None:
        """Work until `stop` is set. Entries held then are finished, or left for the next delivery."""
        context = self._context
        logger.info("role.started role=%s instance=%s", context.role.name, context.name)
        with ThreadPoolExecutor(self._limits.workers, thread_name_prefix=context.role.name) as pool:
            try:
                while not context.stop.is_set():
                    context.retry(lambda: self._run_once(pool))
            except Interrupted:
                pass
        logger.info("role.stopped role=%s handled=%d", context.role.name, context.heartbeat.handled_count)

    def release(self) -> None:
        """Let other consumers take over the entries that this one has left, without waiting until they are
        idle. Called after all work has ended."""
        context = self._context
        try:
            context.bus.release(context.group, context.name, context.role.reads)
        except AdapterError as error:
            logger.warning("entries.not_released error=%s", error)

    def add_background(self, future: Future[None], entry: Entry) -> None:
        """Hold an entry until `future` is done. Worker threads call this before they return."""
        self._started.append((future, entry))

    def _run_once(self, pool: ThreadPoolExecutor) -> None:
        bus, group, name = self._context.bus, self._context.group, self._context.name
        if self._may_have_left:
            left = self._find_left_behind()
            bus.extend_delivery(group, name, left)
            self._resubmit(pool, left)
        self._may_have_left = True
        if self._context.heartbeat.is_due():
            self._do_housekeeping(pool)
        timeout = self._prepare_read()
        self._collect_in_hand()
        if self._queued and not self._working:  # the workers have failed
            self._start_workers(pool, len(self._queued))
        ahead = self._limits.ahead
        busy = min(len(self._working), self._limits.workers)
        free = self._limits.workers + ahead - len(self._queued) - busy
        if free <= ahead // 2:  # a read that returns few entries costs more than it gains
            wait(self._working, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        else:
            reads = self._context.role.reads
            self._submit(pool, bus.read(group, name, reads, count=free, timeout=timeout))
        self._may_have_left = False

    def _do_housekeeping(self, pool: ThreadPoolExecutor) -> None:
        """Do the work of every heartbeat: keep the entries held, and take over entries of failed
        consumers."""
        bus, group, name = self._context.bus, self._context.group, self._context.name
        reads = self._context.role.reads
        bus.extend_delivery(group, name, self._collect_in_hand())
        self._resubmit(pool, bus.claim(group, name, reads, idle=CLAIM_IDLE_SECONDS))
        trouble = self._context.retry.trouble or self._compute_warning()
        self._context.heartbeat.send(trouble, bus.count_lag(group, reads))

    def _compute_warning(self) -> str:
        """Return the role's warning. A role whose warning cannot be computed continues to work."""
        try:
            return self._describe_warning()
        except AdapterError:
            raise
        except Exception as error:
            logger.exception("status_check.failed")
            return f"its status check fails: {type(error).__name__}; details are in the log"

    def _find_left_behind(self) -> list[Entry]:
        """Return entries that this consumer received, has not acknowledged, and does not hold."""
        context = self._context
        in_hand = {(entry.stream, entry.id) for entry in self._collect_in_hand()}
        received = context.bus.read_unfinished(context.group, context.name, context.role.reads)
        return [entry for entry in received if (entry.stream, entry.id) not in in_hand]

    def _collect_in_hand(self) -> list[Entry]:
        for working in (self._working, self._in_background):
            for future in [future for future in working if future.done()]:
                self._context.heartbeat.handled_count += len(working.pop(future))
                future.result()
            while self._started:  # after the futures that may have started background work were collected
                future, entry = self._started.popleft()
                self._in_background[future] = [entry]
        with self._lock:
            held = (self._queued, *self._working.values(), *self._in_background.values())
            return [entry for entries in held for entry in entries]

    def _submit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        with self._lock:
            self._queued.extend(entries)
        self._start_workers(pool, len(entries))

    def _start_workers(self, pool: ThreadPoolExecutor, count: int) -> None:
        """Let workers take this many queued entries. Each takes up to `1 + ahead`, one at a time."""
        for _ in range(min(count, self._limits.workers)):
            entries: list[Entry] = []
            self._working[pool.submit(self._handle, self._take_queued(entries))] = entries

    def _take_queued(self, entries: list[Entry]) -> Iterator[Entry]:
        for _ in range(1 + self._limits.ahead):
            with self._lock:
                if not self._queued:
                    return
                entries.append(self._queued.popleft())
            yield entries[-1]

    def _resubmit(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> None:
        """Submit each entry separately, in order. An entry that kills its worker is among the first ones:
        those behind it were not started, and are not given up with it."""
        for number, entry in enumerate(entries):
            is_first = number < self._limits.workers
            tries = entry.deliveries if is_first else min(entry.deliveries, MAX_DELIVERIES)
            one = [msgspec.structs.replace(entry, deliveries=tries)]
            self._working[pool.submit(self._handle, one)] = one
