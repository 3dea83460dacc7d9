"""The heartbeat of a role, sent every HEARTBEAT_SECONDS."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.core.metrics.definitions import Labels, Measure
from hemostat.core.remediation.modes import CurrentModes
from hemostat.core.text import truncate
from hemostat.events import Event, Figure, Heartbeat
from hemostat.ports import Bus, Clock

HEARTBEAT_SECONDS: Final = 2.0
"""Seconds between two heartbeats; one is valid for three such periods."""

MAX_MODES: Final = 100
"""Maximum number of modes by action and by project in a heartbeat."""
MAX_WARNINGS: Final = 20
MAX_WARNING_CHARACTERS: Final = 1000
"""Maximum number of warnings of one heartbeat, and characters of each and of the trouble. They name
containers."""


def bound_heartbeat(beat: Heartbeat) -> Heartbeat:
    """Return the heartbeat with texts bounded to what every reader accepts."""
    more = len(beat.warnings) - MAX_WARNINGS
    texts = tuple(_cut_text(each) for each in beat.warnings[:MAX_WARNINGS])
    warnings = (*texts, f"and {more} more warnings") if more > 0 else texts
    return msgspec.structs.replace(beat, trouble=_cut_text(beat.trouble), warnings=warnings)


def _cut_text(text: str) -> str:
    """Truncate a text, without half surrogate pairs, which no event can carry."""
    return truncate(text.encode(errors="replace").decode(), MAX_WARNING_CHARACTERS)


class HeartbeatSender:
    """A role's heartbeat: its identity, its state, its lag and its counts. `on_ready` is called when the
    first one is on the bus."""

    def __init__(
        self,
        role: str,
        *,
        bus: Bus,
        clock: Clock,
        host: str,
        instance: str,
        pid: int,
        find_modes: Callable[[float], CurrentModes] = lambda _now: CurrentModes(),
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._on_ready: Callable[[], None] | None = on_ready
        self._clock = clock
        self.host = host
        self._source = f"{role}@{instance}"
        self._heartbeat = Heartbeat(
            role=role,
            instance=instance,
            pid=pid,
            started=clock.now(),
            every=HEARTBEAT_SECONDS,
        )
        self._find_modes = find_modes
        self._next_due = 0.0
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self.handled_count = 0

    def count(self, measure: Measure, *labels: str, by: int = 1) -> None:
        """As core.metrics.definitions.Count."""
        with self._lock:
            self._counts[measure.name, labels] += by

    def is_due(self) -> bool:
        """Return whether a heartbeat is due. A clock that was set back does not stop heartbeats."""
        return not 0 < self._next_due - self._clock.now() <= HEARTBEAT_SECONDS

    def send(self, trouble: str, lag: int, warnings: tuple[str, ...] = ()) -> None:
        now = self._clock.now()
        self._next_due = now + HEARTBEAT_SECONDS
        modes = self._find_modes(now)
        with self._lock:
            figures = tuple(Figure(name, labels, count) for (name, labels), count in self._counts.items())
        fact = msgspec.structs.replace(
            self._heartbeat,
            lag=lag,
            handled=self.handled_count,
            trouble=trouble,
            warnings=warnings,
            figures=figures,
            mode=modes.mode,
            modes=dict(list(modes.stricter.items())[:MAX_MODES]),
            mode_since=modes.since,
            windows=modes.windows,
        )
        event = Event.make(bound_heartbeat(fact), time=now, host=self.host, source=self._source)
        self._bus.publish_live([event], ttl=3 * HEARTBEAT_SECONDS)
        if self._on_ready:
            self._on_ready()
            self._on_ready = None
