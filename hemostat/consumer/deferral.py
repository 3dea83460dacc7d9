"""Entries that a role has deferred: decided again when they are due, in parallel with new entries.

Where the answer is again to wait, the entry stays deferred, for longer the longer it has waited. Otherwise it
returns to its stream and is handled like any other entry, where its failures are counted.

Any number of entries may wait for a person. So where more are due than one read returns, a pass decides few
of each project, and postpones the rest of the entries read: an entry that has just become due must not wait
until thousands before it were decided.
"""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from math import inf
from typing import Final

from hemostat.consumer.context import ConsumerContext
from hemostat.core.history.incident_log import find_subject
from hemostat.core.labels.project import NO_PROJECT, get_project, take_turns
from hemostat.events import Event
from hemostat.heartbeat import HEARTBEAT_SECONDS
from hemostat.ports import Defer, Entry, Interrupted, RunInBackground

LOOK_SECONDS: Final = 0.05
"""Seconds between two checks for due entries."""
MAX_ENTRIES_READ: Final = 500
MAX_ROUNDS: Final = 200
MAX_READY: Final = 8
"""Entries put back at a time: of those that wait for the same resource, few can get it."""
FLUSH_SECONDS: Final = 0.05
PASS_SECONDS: Final = 1.0
"""Seconds after which due entries are read again, so that the first entry of each project gets its turn."""
BACKLOG_PASS_SECONDS: Final = 0.25
MAX_DECIDED_OF_PROJECT: Final = 100
"""Limits of a pass where more entries are due than were read: its seconds, and the entries of one project
that wait for long, or that do not."""
MAX_BACKLOG_PAUSE: Final = 30.0
"""Maximum seconds for which an entry is postponed in such a pass without a decision. The pause doubles from
MAX_PAUSE on while the backlog lasts."""
WAITED_SHARE: Final = 0.05
MAX_PAUSE: Final = 5.0
"""An entry that has waited for some seconds is decided again after WAITED_SHARE of them, at most
MAX_PAUSE."""

Decide = Callable[[Event, Sequence[str]], Sequence[Event] | Defer | RunInBackground]
"""The role's step on an event, with the reasons to wait that were reported already."""


def compute_next_look(until: float, since: float, now: float) -> float:
    """Return when an entry that waits until `until` is decided again (epoch seconds). It has waited since
    `since`."""
    return max(until, now + min(MAX_PAUSE, WAITED_SHARE * max(0.0, now - since)))


def _find_project(entry: Entry) -> str:
    about = None if entry.event is None else find_subject(entry.event)
    return NO_PROJECT if about is None else get_project(about[0])


def _waits_long(entry: Entry) -> bool:
    """Whether people were told what the entry waits for."""
    return bool(entry.reported)


def _find_turn(entry: Entry) -> tuple[str, bool]:
    return _find_project(entry), _waits_long(entry)


class DeferredEntries:
    """The entries that a role has deferred. `decide` is the role's step, which may be called several times
    for one entry."""

    def __init__(self, decide: Decide, context: ConsumerContext) -> None:
        self._decide = decide
        self._group = context.group
        self._reads = context.role.reads
        self._bus = context.bus
        self._clock = context.clock
        self._retry = context.retry
        self._stop = context.stop
        self._is_used = context.role.defers
        """Whether the role may have deferred any entry."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"{context.group}-waiting")
        self._job: Future[None] | None = None
        self._last_look = 0.0
        """When due entries were last read."""
        self._next_due = inf
        """When the next entry is due, as far as known (epoch seconds)."""
        self._backlog_pause = MAX_PAUSE
        """Seconds for which entries are postponed without a decision."""

    def begin(self) -> None:
        """Put back the entries that an earlier version has deferred."""
        if self._is_used:
            self._put_back_all("")

    def note(self, until: float) -> None:
        """Record that an entry was deferred until then."""
        self._is_used, self._next_due = True, min(self._next_due, until)

    def look(self) -> None:
        """Decide due entries again, in a thread. Where the clock was set back, all entries are put back:
        otherwise they would wait longer by the time that the clock was wrong."""
        now = self._clock.now()
        if not self._is_used:
            self._last_look = now
        elif not self._is_busy() and not 0 <= now - self._last_look < LOOK_SECONDS:
            self._decide_due(now)

    def _put_back_all(self, group: str) -> None:
        """Put back all deferred entries, in MAX_ROUNDS at most: another user may add entries meanwhile."""
        for _ in range(MAX_ROUNDS):
            if not self._bus.requeue_due(group, self._reads, inf):
                return

    def _decide_due(self, now: float) -> None:
        if now < self._last_look - HEARTBEAT_SECONDS:
            self._put_back_all(self._group)
        self._next_due = inf
        due = self._bus.read_due(self._group, self._reads, now, count=MAX_ENTRIES_READ)
        self._last_look = now
        if due.next is not None:
            self.note(due.next)
        has_backlog = len(due.entries) >= MAX_ENTRIES_READ  # more may be due
        if has_backlog:
            self.note(now)
        if due.entries:
            self._job = self._pool.submit(self._decide_due_entries, due.entries, has_backlog=has_backlog)

    def seconds(self, most: float) -> float:
        """Return how long the caller may be busy until an entry is due, at most `most` seconds."""
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

    def _decide_due_entries(self, entries: Sequence[Entry], *, has_backlog: bool) -> None:
        """Decide entries in turns. Those whose wait is long enough to be reported come after the others of
        the same turn."""
        ordered = take_turns(sorted(entries, key=_waits_long), _find_turn)
        if not has_backlog:
            self._backlog_pause = max(self._backlog_pause / 2, MAX_PAUSE)
            self._decide_all(ordered, PASS_SECONDS)
            return
        counts: Counter[tuple[str, bool]] = Counter()
        selected: list[Entry] = []
        rest: list[Entry] = []
        for entry in ordered:
            turn = _find_turn(entry)
            counts[turn] += 1
            (selected if counts[turn] <= MAX_DECIDED_OF_PROJECT else rest).append(entry)
        crowded = {turn for turn, count in counts.items() if count > MAX_DECIDED_OF_PROJECT}
        left = self._decide_all(selected, BACKLOG_PASS_SECONDS, crowded)
        decided = {_find_turn(entry) for entry in selected[: len(selected) - len(left)]}
        rest += (entry for entry in left if _find_turn(entry) in decided)
        now, pause = self._clock.now(), self._backlog_pause / max(1, len(rest))
        self._backlog_pause = min(2 * self._backlog_pause, MAX_BACKLOG_PAUSE)
        with suppress(Interrupted):  # spread, so that they are not all due at the same time again
            self._write([(entry, now + number * pause) for number, entry in enumerate(rest, 1)], [])

    def _decide_all(
        self, entries: Sequence[Entry], seconds: float, crowded: Container[tuple[str, bool]] = ()
    ) -> Sequence[Entry]:
        """Decide entries for at most `seconds`. Returns those that no time was left for, which are due.
        Entries of a `crowded` turn then wait for the backlog's pause at least."""
        later: list[tuple[Entry, float]] = []
        ready: list[Entry] = []
        left: Sequence[Entry] = ()
        ready_count = 0
        started_at = since = self._clock.now()
        try:
            for number, entry in enumerate(entries):
                if self._stop.is_set() or ready_count >= MAX_READY or since - started_at > seconds:
                    self.note(started_at)  # the rest is due
                    left = entries[number:] if since - started_at > seconds else ()
                    break
                until = self._compute_until(entry)
                if until is None:
                    ready.append(entry)
                    ready_count += 1
                else:
                    least = self._clock.now() + self._backlog_pause if _find_turn(entry) in crowded else 0.0
                    later.append((entry, max(until, least)))
                if not 0 <= self._clock.now() - since < FLUSH_SECONDS:
                    self._write(later, ready)
                    later, ready, since = [], [], self._clock.now()
            self._write(later, ready)
        except Interrupted:
            return ()
        return left

    def _compute_until(self, entry: Entry) -> float | None:
        """Return until when the entry is to wait; None where it may proceed, or where an event has to be
        published."""
        if entry.event is None:
            return None
        try:
            result = self._decide(entry.event, entry.reported)
        except Exception:  # noqa: BLE001 - it fails again on the stream, which counts
            return None
        if not isinstance(result, Defer) or result.outputs or result.reported:
            return None
        return compute_next_look(result.until, entry.event.time, self._clock.now())

    def _write(self, later: Sequence[tuple[Entry, float]], ready: Sequence[Entry]) -> None:
        if later:
            self._retry(lambda: self._bus.postpone(self._group, later))
            self.note(min(until for _, until in later))
        if ready:
            self._retry(lambda: self._bus.requeue(self._group, ready))
