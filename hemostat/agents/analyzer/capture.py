"""Captures past incidents as eval cases, from stored events and snapshots and from the engine.

An eval case holds what was known when the alert was raised, and nothing that followed: an advisor under
evaluation must not see the answer.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from hemostat.agents.analyzer.evidence_source import describe_events, take_snapshot
from hemostat.core.diagnosis.case import EvalCase, EvidenceCase, compute_signature
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.incident_log import IncidentLog, build_incident_logs
from hemostat.core.redact import redact, redact_environment
from hemostat.errors import HemoStatError
from hemostat.events import DURABLE, Action, Container, Event, Evidence, HealthAlert, Phase
from hemostat.ports import Bus, EngineReader, EvidenceStore, PrecedentStore

MAX_EVENTS_PER_STREAM: Final = 1000
"""Events of each stream."""
MAX_HINTS: Final = 3


class EvalCapture:
    """Captures eval cases. `find_engine` is as in LiveEvidenceSource."""

    def __init__(
        self,
        find_engine: Callable[[str], EngineReader],
        bus: Bus,
        evidence_store: EvidenceStore,
        precedents: PrecedentStore,
    ) -> None:
        self._find_engine = find_engine
        self._bus = bus
        self._evidence_store = evidence_store
        self._precedent_store = precedents

    def find_incident(self, name: str) -> IncidentLog:
        """Return the incident with this id, with an id that begins with `name`, or the latest of the
        container of this name. Raises HemoStatError where no incident matches, or several do."""
        incident_logs = build_incident_logs(self._read_events())
        if matches := [each for each in incident_logs if each.incident == name]:
            return matches[0]
        if matches := [each for each in incident_logs if each.container.name == name]:
            return matches[-1]
        matches = [each for each in incident_logs if name and each.incident.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise HemoStatError(
                f"{len(matches)} incidents begin with {name!r}", hint=_format_hint(name, matches)
            )
        raise HemoStatError(f"no incident {name!r} exists", hint=_format_hint(name, incident_logs))

    def find_last_alert(self, name: str) -> Event:
        """Return the last alert of that incident. Raises HemoStatError where the alert is no longer
        stored."""
        incident_log = self.find_incident(name)
        for event in reversed(incident_log.steps):
            if isinstance(event.data, HealthAlert) and event.data.phase is Phase.RAISED:
                return event
        raise HemoStatError(f"the alert of incident {incident_log.incident} is no longer stored")

    def build_eval_case(self, alert: Event, also: Iterable[str] = ()) -> EvalCase:
        """Return the eval case of an alert. `also`: names of further containers to record as neighbours.
        Raises HemoStatError."""
        data = alert.data
        if not isinstance(data, HealthAlert) or alert.incident is None:
            raise HemoStatError(f"{alert.type} is not an alert")
        own = self.find_snapshot(alert) or self._snapshot_unchanged(data, alert)
        moment = alert.time if own is None else own.time
        subjects = {data.container.name, data.root, *data.downstream}
        before = [
            each
            for each in self._read_events()
            if each.host == alert.host and (each.time, each.id) <= (alert.time, alert.id)
        ]
        precedents = [
            each
            for each in self._precedent_store.list_precedents(compute_signature(data))
            if each.time < alert.time
        ]
        case = EvidenceCase(
            host=alert.host,
            incident=alert.incident,
            time=moment,
            alert=_mask_alert(data),
            dossier=own,
            story=tuple(map(redact, describe_events(before, subjects, moment))),
            past=tuple(precedents),
        )
        names = {*also, *subjects} - {data.container.name, alert.host, ""}
        return EvalCase(case=case, neighbours=self._snapshot_neighbours(sorted(names), data, alert))

    def find_snapshot(self, alert: Event) -> EvidenceSnapshot | None:
        """Return the evidence snapshot that was saved before the first action on this occurrence, if any."""
        data = alert.data
        if not isinstance(data, HealthAlert) or alert.incident is None:
            return None
        same = [
            each for each in self._evidence_store.get(alert.incident) if each.occurrence == data.occurrence
        ]
        return msgspec.structs.replace(same[0], action=Action.NONE, rung=0) if same else None

    def _read_events(self) -> list[Event]:
        return [event for stream in DURABLE for event in self._bus.read_recent(stream, MAX_EVENTS_PER_STREAM)]

    def _snapshot_neighbours(
        self, names: Sequence[str], data: HealthAlert, alert: Event
    ) -> dict[str, EvidenceSnapshot]:
        snapshots = {}
        for name in names:
            changes = {"container": Container(id=name, name=name), "evidence": ()}
            if (
                snapshot := self._snapshot_unchanged(msgspec.structs.replace(data, **changes), alert)
            ) is not None:
                snapshots[name] = snapshot
        return snapshots

    def _snapshot_unchanged(self, data: HealthAlert, alert: Event) -> EvidenceSnapshot | None:
        """Return a snapshot of the container as it is, or None if its state has changed since the alert."""
        if data.container.is_host:
            return None
        try:
            engine = self._find_engine(alert.host)
            info = engine.inspect(data.container.id)
            if max(info.started_at, info.finished_at) > alert.time:
                return None
            data = msgspec.structs.replace(data, container=info.ref)
            points = self._bus.read_metrics(alert.host, info.ref.name)
        except HemoStatError:
            return None
        return take_snapshot(
            lambda: engine, lambda _: [each for each in points if each.time <= alert.time], data, alert.time
        )


def _mask_alert(alert: HealthAlert) -> HealthAlert:
    def plain(item: Evidence) -> Evidence:
        return Evidence(item.name, redact(item.value), item.unit) if isinstance(item.value, str) else item

    labels = redact_environment(alert.container.labels)
    container = msgspec.structs.replace(alert.container, labels=labels)
    return msgspec.structs.replace(
        alert, container=container, evidence=tuple(plain(item) for item in alert.evidence)
    )


def _format_hint(name: str, incident_logs: Sequence[IncidentLog]) -> str:
    """Suggest the nearest names, or else the latest incidents."""
    ids = [each.incident for each in incident_logs]
    near = difflib.get_close_matches(
        name, [*ids, *(each.container.name for each in incident_logs)], MAX_HINTS, 0.6
    )
    if near:
        return f"did you mean {' or '.join(dict.fromkeys(near))}?"
    latest = [f"{each.incident} ({each.container.name} {each.kind})" for each in incident_logs[-MAX_HINTS:]]
    return f"the latest are: {', '.join(reversed(latest))}" if latest else "see: hemostat events"
