"""Finds what actions under way wait for, between a decision and its outcome."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from hemostat import ports
from hemostat.core.history.incident_log import IncidentLog, extend_incident_log
from hemostat.core.history.progress import find_progress
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.events import ContainerStats, Event

MAX_ACTING: Final = 1000
"""Incidents with an action under way that are tracked, the latest."""


class ProgressReader:
    """Finds the progress of the incidents in the events that it is given. `overview` returns a host's limit
    status, and is called only while an action is under way."""

    def __init__(self, bus: ports.Bus, overview: Callable[[str], HostLimitStatus]) -> None:
        self._bus = bus
        self._overview = overview
        self._acting: dict[str, IncidentLog] = {}
        """By incident, without its events."""
        self._printed: dict[str, str] = {}

    def add(self, event: Event) -> None:
        """Record an event of an incident. Incidents without an action are dropped."""
        log = extend_incident_log(self._acting.get(event.incident or ""), event)
        if log is None:
            return
        if log.status == "acting":
            self._acting[log.incident] = msgspec.structs.replace(log, steps=())
            if len(self._acting) > MAX_ACTING:
                self._drop(next(iter(self._acting)))
        else:
            self._drop(log.incident)

    def _drop(self, incident: str) -> None:
        self._acting.pop(incident, None)
        self._printed.pop(incident, None)

    def take_changes(self) -> Iterator[tuple[IncidentLog, str]]:
        """The incidents whose action waits for something else than before, and for what."""
        acting = list(self._acting.values())
        if not acting:
            return
        stats = {
            (event.host, event.data.container.name): event.data.state
            for event in self._bus.read_last_values("container_stats")
            if isinstance(event.data, ContainerStats)
        }
        limits = {host: self._overview(host) for host in {log.host for log in acting}}
        for log in acting:
            progress = find_progress(log, limits[log.host], stats.get((log.host, log.container.name)))
            if progress and self._printed.get(log.incident) != progress:
                self._printed[log.incident] = progress
                yield log, progress
