"""Sources of evidence about an incident: the engine and the bus, or an eval case."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

from hemostat.core.diagnosis.case import EvalCase, EvidenceCase, compute_signature
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, MetricPoint
from hemostat.core.history.incident_log import find_subject
from hemostat.core.history.sentences import format_event_line
from hemostat.core.units import show_duration
from hemostat.errors import EngineError, HemoStatError
from hemostat.events import (
    DURABLE,
    Action,
    Container,
    Diagnosis,
    Event,
    HealthAlert,
    RemediationNeeded,
)
from hemostat.evidence_collector import collect_snapshot
from hemostat.ports import Bus, Clock, EngineReader, PrecedentStore

EVIDENCE_SECONDS: Final = 3.0
"""Maximum seconds for collecting the first evidence: an engine that hangs must not use up the time of an
investigation."""
MAX_EVENTS_PER_STREAM: Final = 200
"""Events of each stream that are searched."""
MAX_EVENT_LINES: Final = 20
"""Lines of the incident log."""


class LiveEvidenceSource:
    """Evidence about containers. `find_engine` returns the engine of a host, and raises EngineError for a
    host whose engine is out of reach: about its containers only events are available."""

    def __init__(
        self,
        find_engine: Callable[[str], EngineReader],
        bus: Bus,
        precedents: PrecedentStore,
        clock: Clock,
    ) -> None:
        self._find_engine = find_engine
        self._bus = bus
        self._precedent_store = precedents
        self._clock = clock

    def build_case(self, alert: Event) -> EvidenceCase:
        data = alert.data
        if not isinstance(data, HealthAlert) or alert.incident is None:
            raise HemoStatError(f"{alert.type} is not an alert")
        now = self._clock.now()
        return EvidenceCase(
            host=alert.host,
            incident=alert.incident,
            time=now,
            alert=data,
            dossier=take_snapshot(
                lambda: self._find_engine(alert.host),
                lambda container: self.read_metrics(alert.host, container),
                data,
                now,
                self._clock,
            ),
            story=tuple(self.describe_recent_events(alert.host, data.container)),
            past=tuple(self._precedent_store.list_precedents(compute_signature(data))),
        )

    def read_log(self, host: str, container: Container, tail: int) -> str:
        return self._find_engine(host).logs(container.id, tail)

    def list_processes(self, host: str, container: Container) -> Sequence[str]:
        return self._find_engine(host).top(container.id)

    def read_details(self, host: str, container: Container) -> ContainerDetails:
        return self._find_engine(host).read_details(container.id)

    def read_metrics(self, host: str, container: Container) -> Sequence[MetricPoint]:
        return self._bus.read_metrics(host, container.name)

    def describe_recent_events(self, host: str, container: Container) -> Sequence[str]:
        """Return the events about a container, a line each. Matches by id: another container may have had the
        same name, and the name may be that of the host."""
        recent = (each for stream in DURABLE for each in self._bus.read_recent(stream, MAX_EVENTS_PER_STREAM))
        here = (
            _without_dependents(each) for each in recent if each.host == host and _is_about(each, container)
        )
        return describe_events(here, {container.name}, self._clock.now())


def _is_about(event: Event, container: Container) -> bool:
    subject = find_subject(event)
    return subject is not None and subject[0].id == container.id


def _without_dependents(event: Event) -> Event:
    """Remove the names of dependents from an alert: any container may declare that it depends on this one."""
    if not isinstance(event.data, HealthAlert):
        return event
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, downstream=()))


def describe_events(events: Iterable[Event], names: Collection[str], now: float) -> list[str]:
    """Return a line for each of these events about containers of these names, oldest first."""
    lines = []
    for event in sorted(events, key=lambda event: event.time):
        subject = find_subject(event)
        if subject is not None and subject[0].name in names:
            ago = show_duration(max(0.0, now - event.time))
            lines.append(f"{ago} ago, {subject[0].name}: {format_event_line(event)}")
    return lines[-MAX_EVENT_LINES:]


def take_snapshot(
    connect_engine: Callable[[], EngineReader],
    read_metrics: Callable[[Container], Sequence[MetricPoint]],
    alert: HealthAlert,
    now: float,
    clock: Clock | None = None,
) -> EvidenceSnapshot | None:
    """Return a snapshot of the alert's container as it is; None for the host, and where the engine does not
    know the container."""
    if alert.container.is_host:
        return None
    try:
        engine = connect_engine()
        info = engine.inspect(alert.container.id)
    except HemoStatError:
        return None
    return collect_snapshot(
        engine,
        _make_empty_request(alert),
        info,
        now,
        patience=EVIDENCE_SECONDS,
        read_metrics=read_metrics,
        clock=clock,
    )


def _make_empty_request(alert: HealthAlert) -> RemediationNeeded:
    """Return a request without an action: none is proposed yet."""
    return RemediationNeeded(alert=alert, action=Action.NONE, diagnosis=Diagnosis(cause="", confidence=0.0))


class RecordedEvidenceSource:
    def __init__(self, recording: EvalCase) -> None:
        self._eval_case = recording

    def build_case(self, alert: Event) -> EvidenceCase:  # noqa: ARG002
        return self._eval_case.case

    def read_log(self, host: str, container: Container, tail: int) -> str:
        return "\n".join(self._find_snapshot(host, container).log.splitlines()[-tail:])

    def list_processes(self, host: str, container: Container) -> Sequence[str]:
        return self._find_snapshot(host, container).processes

    def read_details(self, host: str, container: Container) -> ContainerDetails:
        details = self._find_snapshot(host, container).details
        if details is None:
            raise EngineError("not recorded")
        return details

    def read_metrics(self, host: str, container: Container) -> Sequence[MetricPoint]:
        return self._find_snapshot(host, container).samples

    def describe_recent_events(self, host: str, container: Container) -> Sequence[str]:  # noqa: ARG002
        return [line for line in self._eval_case.case.story if f", {container.name}: " in line]

    def _find_snapshot(self, host: str, container: Container) -> EvidenceSnapshot:
        case, name = self._eval_case.case, container.name
        snapshot = case.dossier if name == case.alert.container.name else self._eval_case.neighbours.get(name)
        if snapshot is None or host != case.host:
            raise EngineError("not recorded")
        return snapshot
