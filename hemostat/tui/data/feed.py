"""Feeds the dashboard from the bus: one thread subscribes, and delivers what arrived a few times a second.

Events of the log are delivered at once. Values that only refresh the screen come many together, so they are
collected and drawn once.

Memory is bounded: of values the last of each is kept, of other events as many as the log can show.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.history.status import get_replacement_key
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.errors import HemoStatError
from hemostat.events import DURABLE, TYPES, Event
from hemostat.ports import Clock, Listener
from hemostat.tui.data.state import MAX_LOG_EVENTS, TRAIL_SECONDS, FeedUpdate

DELIVER_SECONDS: Final = 0.25
"""Seconds between two deliveries."""
RETRY_SECONDS: Final = 1.0
STATUS_SECONDS: Final = 2.0
"""Seconds between two requests of the hosts' limit status if an event has arrived."""
IDLE_STATUS_SECONDS: Final = 10.0
"""The same if no event has arrived."""
STOP_SECONDS: Final = 4 * DELIVER_SECONDS
"""Seconds that a user who quits may have to wait."""

Deliver = Callable[[FeedUpdate], object]


class Feed:
    def __init__(
        self,
        bus: Listener,
        clock: Clock,
        deliver: Deliver,
        *,
        every: float = DELIVER_SECONDS,
        safety: Callable[[str], HostLimitStatus] | None = None,
    ) -> None:
        """`every`: seconds between two deliveries. `safety` is called for every known host."""
        self._bus = bus
        self._clock = clock
        self._deliver = deliver
        self._every = every
        self._limit_status = safety
        self._asked_at = -math.inf
        self._hosts: set[str] = set()
        self._has_changed = False
        """Whether an event has arrived since the last request."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._durable: deque[Event] = deque(maxlen=MAX_LOG_EVENTS)
        self._live: dict[tuple[str, str], Event] = {}
        self._live_since = 0.0
        """When the first of these values arrived."""
        self._requested: Mapping[str, tuple[str, str]] = {}

    def start(self) -> None:
        self._thread.start()

    def request_history(self, keys: Mapping[str, tuple[str, str]]) -> None:
        """Deliver the history of these containers too: host and name, by key.

        Missing ones may be requested again.
        """
        self._requested = keys

    def stop(self) -> None:
        """Stop, so that the owner of the bus can close it. A bus that does not answer is not waited for."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        is_restart = False
        while not self._stop.is_set():
            try:
                self._follow(is_restart=is_restart)
                is_restart = True
            except HemoStatError as error:
                self._deliver(FeedUpdate(lost=": ".join(filter(None, (error.message, error.hint)))))
                self._stop.wait(RETRY_SECONDS)

    def _follow(self, *, is_restart: bool) -> None:
        """Deliver the history once the subscription exists, so that no event is missed, and then each event.

        After a lost subscription the data may differ: the history of the next replaces all known data.
        """
        if is_restart:
            self._durable.clear()
            self._live.clear()
        due: float | None = None
        for event in self._bus.subscribe(tuple(TYPES), timeout=DELIVER_SECONDS):
            if self._stop.is_set():
                return
            if due is None:
                self._read_recent()
                # Also if empty: the delivery reports that the bus is reachable (again).
                self._deliver_update(is_restart=is_restart, is_history=True)
                due = self._clock.now()
            if event is not None:
                self._add(event)
            if self._clock.now() >= due and self._is_ready(is_quiet=event is None):
                self._deliver_update()
                due = self._clock.now() + self._every
            if self._requested:
                self._deliver(FeedUpdate(past=self._read_histories()))

    def _is_ready(self, *, is_quiet: bool) -> bool:
        """Whether there is something to deliver that should not wait for more."""
        if self._durable:
            return True
        may_wait = not is_quiet and 0 <= self._clock.now() - self._live_since < self._every
        return bool(self._live) and not may_wait

    def _read_histories(self) -> dict[str, Sequence[MetricPoint]]:
        requested, self._requested = self._requested, {}
        try:
            return {key: self._bus.read_metrics(*series, TRAIL_SECONDS) for key, series in requested.items()}
        except HemoStatError:
            return dict.fromkeys(requested, ())

    def _read_recent(self) -> None:
        for name in TYPES:
            events = (
                self._bus.read_recent(name, MAX_LOG_EVENTS)
                if name in DURABLE
                else self._bus.read_last_values(name)
            )
            for event in events:
                self._add(event)

    def _add(self, event: Event) -> None:
        self._hosts.add(event.host)
        if event.type in DURABLE:
            self._durable.append(event)
            self._has_changed = True
        else:
            if not self._live:
                self._live_since = self._clock.now()
            self._live[event.type, get_replacement_key(event)] = event

    def _deliver_update(self, *, is_restart: bool = False, is_history: bool = False) -> None:
        self._deliver(
            FeedUpdate(
                (*self._durable, *self._live.values()),
                safety=self._read_limit_status(),
                is_restart=is_restart,
                is_history=is_history,
            )
        )
        self._durable.clear()
        self._live.clear()

    def _read_limit_status(self) -> dict[str, HostLimitStatus] | None:
        """The limit status of the hosts.

        None if it is not due: it changes with events, and slowly with time.
        """
        now = self._clock.now()
        interval = STATUS_SECONDS if self._has_changed else IDLE_STATUS_SECONDS
        if self._limit_status is None or not self._hosts or 0 <= now - self._asked_at < interval:
            return None
        self._asked_at, self._has_changed = now, False
        try:
            return {host: self._limit_status(host) for host in self._hosts}
        except HemoStatError:
            # A user without the right to read it still sees everything else.
            return None
