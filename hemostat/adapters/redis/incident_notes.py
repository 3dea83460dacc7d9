"""Writes a monitor's notes of its alerts, and the seals of orders, in keys that expire.

The notes of an open incident are kept as long as attempts. Those of an incident that is over are kept for an
hour: a tenant can end as many incidents as containers can be created, and a request about such an incident is
refused with and without notes. No note is read here: a monitor's user may only set them.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Command
from hemostat.core.ledger.alert_notes import (
    MAX_OCCURRENCES,
    build_notes,
    build_occurrence_note,
    build_raised_notes,
)
from hemostat.events import Event, HealthAlert, Order, Phase, seal

INCIDENT_PREFIX: Final = f"{PREFIX}incident:"
SEAL_PREFIX: Final = f"{PREFIX}seal:"
INCIDENT_SECONDS: Final = 48 * 3600
"""Seconds for which an incident is known after its latest alert: as long as attempts are kept."""
OVER_SECONDS: Final = 3600
"""Seconds for which an incident is known after its end."""
MAX_INCIDENTS: Final = 20_000
"""Incidents whose latest occurrences are remembered, to shorten the life of their notes at the end."""

Times = dict[int, float]
"""When the latest occurrences of an incident began (epoch seconds), by number."""


class IncidentNoteWriter:
    """Makes the commands that write notes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[tuple[str, str], Times] = OrderedDict()

    def make_commands(self, events: Sequence[Event]) -> list[Command]:
        with self._lock:
            return [command for event in events for command in self._list_commands(event)]

    def _list_commands(self, event: Event) -> Iterator[Command]:
        if isinstance(event.data, Order):
            key = make_seal_key(event.host, event.incident)
            yield "SET", key, seal(event.data, event.time), "EX", INCIDENT_SECONDS
        elif isinstance(event.data, HealthAlert) and event.incident is not None:
            key = make_incident_key(event.host, event.incident)
            times = self._remember(event.host, event.incident, event.data)
            over = event.data.phase is Phase.CLEARED
            if over:
                yield from _shorten(key, event.data, times)
            for suffix, note in build_notes(event):
                yield "SET", key + suffix, note, "EX", OVER_SECONDS if over else INCIDENT_SECONDS

    def _remember(self, host: str, incident: str, alert: HealthAlert) -> Times:
        """Remember the alert's occurrence. Returns the times of the incident's latest occurrences."""
        times = self._times.setdefault((host, incident), {})
        self._times.move_to_end((host, incident))
        times[alert.occurrence] = alert.since
        while len(times) > MAX_OCCURRENCES:
            del times[min(times)]
        while len(self._times) > MAX_INCIDENTS:
            self._times.popitem(last=False)
        return times


def _shorten(key: str, cleared: HealthAlert, times: Times) -> Iterator[Command]:
    """Shorten the life of the notes that exist: a monitor's user may set them, and may not expire them."""
    earlier = (msgspec.structs.replace(cleared, occurrence=each, since=times[each]) for each in times)
    notes = dict([*build_raised_notes(cleared), *map(build_occurrence_note, earlier)])
    for suffix, note in notes.items():
        yield "SET", key + suffix, note, "EX", OVER_SECONDS, "XX"


def make_incident_key(host: str, incident: str | None) -> str:
    return f"{INCIDENT_PREFIX}{host}:{incident}"


def make_seal_key(host: str, incident: str | None) -> str:
    return f"{SEAL_PREFIX}{host}:{incident}"
