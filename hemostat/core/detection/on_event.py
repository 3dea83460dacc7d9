"""Derives the health of a watched container from the engine's events."""

import msgspec

from hemostat.core.detection import healthcheck as health
from hemostat.core.detection import healthcheck_output, stop_intent
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import EngineEvent
from hemostat.events import Evidence, Kind


def record_stop_request(
    ward: ContainerRegistry, event: EngineEvent, *, ours: bool
) -> stop_intent.StopRequest | None:
    """Record a signal as a stop request, if it is one. `ours`: HemoStat sent the signal."""
    patient = ward.get(event.container.id)
    info = patient.info if patient else None
    stop = (
        stop_intent.read_stop_event(event)
        if event.action == "stop"
        else stop_intent.read_kill_event(event, info)
    )
    if stop is None:
        return None
    ward.stops[event.container.id] = msgspec.structs.replace(stop, ours=ours)
    return stop


def record_health_event(patient: WatchedContainer, event: EngineEvent) -> None:
    """Record that the container's health check begins to pass or to fail."""
    patient.health = health.record_result(
        patient.health,
        healthy=event.action == "healthy",
        time=event.time,
        window=patient.tuned.flap_window,
    )


def record_inspected_health(patient: WatchedContainer, now: float) -> None:
    """Record the health check's state from an inspection, because events may have been missed."""
    if patient.info.running and patient.info.health in {"healthy", "unhealthy"}:
        healthy, window = patient.info.health == "healthy", patient.tuned.flap_window
        patient.health = health.record_result(patient.health, healthy=healthy, time=now, window=window)


def judge_health(ward: ContainerRegistry, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
    """Open and close incidents by the current state of the health check."""
    ref, told = patient.ref, list[IncidentAlert]()
    state, tuned, register = patient.health, patient.tuned, ward.register
    if patient.info.health is None:
        return told
    if (ref.id, Kind.FLAPPING) in register:
        calm = ward.has_watched(tuned.flap_window, now) and health.is_calm(state, tuned, now)
        told += register.closed(ref.id, [Kind.FLAPPING]) if calm else []
    elif health.is_flapping(state, tuned, now):
        told += register.closed(ref.id, [Kind.UNHEALTHY])
        facts = [Evidence("changes", len(state.changes))]
        told += ward.fail(
            patient, Kind.FLAPPING, since=state.changes[0], now=now, window=tuned.flap_window, evidence=facts
        )
    failing = patient.info.running and patient.info.health == "unhealthy" and state.failing is not None
    if failing and health.is_due(state, tuned, now) and _is_new_failure(ward, patient):
        since = now if state.failing is None else state.failing
        facts = list(healthcheck_output.build_check_evidence(patient.info, never_passed=state.passed is None))
        told += ward.fail(patient, Kind.UNHEALTHY, since=since, now=now, evidence=facts)
    return told


def _is_new_failure(ward: ContainerRegistry, patient: WatchedContainer) -> bool:
    """Return whether no incident is open, or its failure ended and returned."""
    known = (each for each in ward.register.of(patient.ref.id) if each.kind is Kind.UNHEALTHY)
    earlier = next(known, None)
    return earlier is None or health.has_come_back(patient.health, earlier.since)
