"""Entries that a role has put off: decided again when they are due, beside those that are new.

Where the answer is "not now" once more, the entry stays where it is, for the longer the longer it has waited.
Else it goes back on its stream, and is dealt with like any other: there it is counted how often it fails.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from typing import Final

from hemostat.core.history.incident_log import find_subject
from hemostat.core.labels.project import NO_PROJECT, get_project, take_turns
from hemostat.events import Event
from hemostat.heartbeat import HEARTBEAT_SECONDS
from hemostat.ports import Bus, Clock, Defer, Entry, Interrupted, RunInBackground
from hemostat.retry import Retry

LOOK_SECONDS: Final = 0.05
"""Between two looks at what is due."""
MAX_ENTRIES_READ: Final = 500
MAX_READY: Final = 8
"""Entries that are put back at a time: of those that wait for the same thing, few can have it."""
FLUSH_SECONDS: Final = 0.05
PASS_SECONDS: Final = 1.0
"""After which what is due is asked for again, and the first of each project has its turn."""
WAITED_SHARE: Final = 0.05
MAX_PAUSE: Final = 5.0
"""An entry that has waited for some time is decided again after WAITED_SHARE of them, at most MAX_PAUSE."""

Decide = Callable[[Event], Sequence[Event] | Defer | RunInBackground]


def compute_next_look(until: float, since: float, now: float) -> float:
    """When an entry that is to wait until then is looked at again (epoch seconds); it has waited `since`."""
    return max(until, now + min(MAX_PAUSE, WAITED_SHARE * max(0.0, now - since)))


def _find_project(entry: Entry) -> str:
    about = None if entry.event is None else find_subject(entry.event)
    return NO_PROJECT if about is None else get_project(about[0])


class DeferredEntries:
    """`decide` is a role's step, which may be asked about one entry several times. `is_used`: whether the
    role may have put anything off."""

    def __init__(
        self,
        decide: Decide,
        *,
        group: str,
        reads: Sequence[str],
        bus: Bus,
        clock: Clock,
        patience: Retry,
        stop: threading.Event,
        is_used: bool,
    ) -> None:
        self._decide = decide
        self._group = group
        self._reads = reads
        self._bus = bus
        self._clock = clock
        self._retry = patience
        self._stop = stop
        self._is_used = is_used
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"{group}-waiting")
        self._job: Future[None] | None = None
        self._last_look = 0.0
        """When due entries were last asked for."""
        self._next_due = inf
        """When the next one is due, as far as is known (epoch seconds)."""

    def begin(self) -> None:
        """Put back what an earlier version has put off."""
        while self._is_used and self._bus.promote("", self._reads, inf):
            pass

    def note(self, until: float) -> None:
        """Something was put off until then."""
        self._is_used, self._next_due = True, min(self._next_due, until)

    def look(self) -> None:
        """Have what is due decided again, in a thread of its own. Where the clock was set back, everything
        is: it was to wait some seconds, and not as long again as the clock was wrong."""
        now = self._clock.now()
        if not self._is_used:
            self._last_look = now
        elif not self._is_busy() and not 0 <= now - self._last_look < LOOK_SECONDS:
            self._decide_due(now)

    def _decide_due(self, now: float) -> None:
        while now < self._last_look - HEARTBEAT_SECONDS and self._bus.promote(self._group, self._reads, inf):
            pass
        self._next_due = inf
        due = self._bus.due(self._group, self._reads, now, count=MAX_ENTRIES_READ)
        self._last_look = now
        if due.next is not None:
            self.note(due.next)
        if len(due.entries) >= MAX_ENTRIES_READ:  # more may be due
            self.note(now)
        if due.entries:
            self._job = self._pool.submit(self._decide_all, take_turns(due.entries, _find_project))

    def seconds(self, most: float) -> float:
        """How long the caller may be occupied until something is due, `most` at the most."""
        if not self._is_used:
            return most
        left = LOOK_SECONDS if self._job is not None else self._next_due - self._clock.now()
        return min(most, max(LOOK_SECONDS, left))

    def close(self) -> None:
        self._pool.shutdown()

    def _is_busy(self) -> bool:
        if self._job is None:
            return False
        if not self._job.done():
            return True
        job, self._job = self._job, None
        job.result()
        return False

    def _decide_all(self, entries: Sequence[Entry]) -> None:
        later: list[tuple[Entry, float]] = []
        ready: list[Entry] = []
        ready_count = 0
        began = since = self._clock.now()
        try:
            for entry in entries:
                if self._stop.is_set() or ready_count >= MAX_READY or since - began > PASS_SECONDS:
                    self.note(began)  # the rest is due
                    break
                until = self._compute_until(entry)
                if until is None:
                    ready.append(entry)
                    ready_count += 1
                else:
                    later.append((entry, until))
                if not 0 <= self._clock.now() - since < FLUSH_SECONDS:
                    self._write(later, ready)
                    later, ready, since = [], [], self._clock.now()
            self._write(later, ready)
        except Interrupted:
            return

    def _compute_until(self, entry: Entry) -> float | None:
        """Until when it is to wait; None where it is no longer to, or where people are to be told why."""
        if entry.event is None:
            return None
        try:
            result = self._decide(entry.event)
        except Exception:  # noqa: BLE001 - back on the stream it fails again, and is buried at last
            return None
        if not isinstance(result, Defer) or result.told or result.event is not None:
            return None
        return compute_next_look(result.until, entry.event.time, self._clock.now())

    def _write(self, later: Sequence[tuple[Entry, float]], ready: Sequence[Entry]) -> None:
        if later:
            self._retry(lambda: self._bus.put_off(self._group, later))
            self.note(min(until for _, until in later))
        if ready:
            self._retry(lambda: self._bus.put_back(self._group, ready))
