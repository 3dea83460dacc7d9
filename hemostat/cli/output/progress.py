"""Finds what actions under way wait for, between a decision and its outcome."""

from collections.abc import Callable, Iterator

from hemostat import ports
from hemostat.core.history.incident_log import IncidentLog, build_incident_logs
from hemostat.core.history.progress import find_progress
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.events import ContainerStats, Event


class ProgressReader:
    """Finds the progress of the incidents in the events that it is given. `overview` returns a host's limit
    status, and is called only while an action is under way."""

    def __init__(self, bus: ports.Bus, overview: Callable[[str], HostLimitStatus]) -> None:
        self._bus = bus
        self._overview = overview
        self._steps: dict[str, list[Event]] = {}
        self._printed: dict[str, str] = {}

    def add(self, event: Event) -> None:
        """Record an event of an incident. The events of incidents without an action are dropped."""
        if event.incident is None:
            return
        steps = [*self._steps.get(event.incident, ()), event]
        logs = build_incident_logs(steps)
        if logs and logs[0].status != "acting":
            self._steps.pop(event.incident, None)
            self._printed.pop(event.incident, None)
        else:
            self._steps[event.incident] = steps

    def take_changes(self) -> Iterator[tuple[IncidentLog, str]]:
        """The incidents whose action waits for something else than before, and for what."""
        acting = [
            log
            for steps in self._steps.values()
            for log in build_incident_logs(steps)
            if log.status == "acting"
        ]
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
