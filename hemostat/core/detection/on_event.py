"""Derives the health of a watched container from the engine's events."""

import msgspec

from hemostat.core.detection import healthcheck as health
from hemostat.core.detection import healthcheck_output, stop_intent
from hemostat.core.detection.incidents import IncidentAlert, IncidentEnd
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import EngineEvent
from hemostat.events import Evidence, Kind


def record_stop_request(
    registry: ContainerRegistry, event: EngineEvent, *, is_own_stop: bool
) -> stop_intent.StopRequest | None:
    """Record a signal as a stop request, if it is one. `is_own_stop`: HemoStat sent the signal."""
    container = registry.get(event.container.id)
    info = container.info if container else None
    stop = (
        stop_intent.read_stop_event(event)
        if event.action == "stop"
        else stop_intent.read_kill_event(event, info)
    )
    if stop is None:
        return None
    registry.stops[event.container.id] = msgspec.structs.replace(stop, ours=is_own_stop)
    return stop


def is_known_health(container: WatchedContainer, event: EngineEvent) -> bool:
    """Return whether the event tells nothing new. Podman reports each health check, Docker the changes."""
    is_recorded = (event.action == "healthy") == (container.health.failing_since is None)
    return event.podman and is_recorded and container.info.health == event.action


def record_health_event(container: WatchedContainer, event: EngineEvent) -> None:
    """Record that the container's health check begins to pass or to fail."""
    container.health = health.record_result(
        container.health,
        healthy=event.action == "healthy",
        time=event.time,
        window=container.thresholds.flap_window,
    )


def record_inspected_health(container: WatchedContainer, now: float) -> None:
    """Record the health check's state from an inspection, because events may have been missed."""
    if container.info.is_running and container.info.health in {"healthy", "unhealthy"}:
        healthy, window = container.info.health == "healthy", container.thresholds.flap_window
        container.health = health.record_result(container.health, healthy=healthy, time=now, window=window)


def judge_health(registry: ContainerRegistry, container: WatchedContainer, now: float) -> list[IncidentAlert]:
    """Open and close incidents by the current state of the health check."""
    ref, alerts = container.ref, list[IncidentAlert]()
    state, tuned, register = container.health, container.thresholds, registry.incidents
    if container.info.health is None:
        return alerts
    if (ref.id, Kind.FLAPPING) in register:
        calm = registry.has_watched(tuned.flap_window, now) and health.is_calm(state, tuned, now)
        alerts += registry.close_recovered(container, [Kind.FLAPPING], now) if calm else []
    elif health.is_flapping(state, tuned, now):
        alerts += register.close_incidents(ref.id, [Kind.UNHEALTHY], IncidentEnd.SUPERSEDED)
        facts = [Evidence("changes", len(state.changes))]
        alerts += registry.report_failure(
            container,
            Kind.FLAPPING,
            since=state.changes[0],
            now=now,
            window=tuned.flap_window,
            evidence=facts,
        )
    failing = (
        container.info.is_running and container.info.health == "unhealthy" and state.failing_since is not None
    )
    wait = stop_intent.get_check_action_wait(container.info)
    if failing and health.is_due(state, tuned, now, wait) and _is_new_failure(registry, container):
        since = now if state.failing_since is None else state.failing_since
        facts = list(
            healthcheck_output.build_check_evidence(container.info, never_passed=state.passed_at is None)
        )
        alerts += registry.report_failure(container, Kind.UNHEALTHY, since=since, now=now, evidence=facts)
    return alerts


def _is_new_failure(registry: ContainerRegistry, container: WatchedContainer) -> bool:
    """Return whether no incident is open, or its failure ended and returned."""
    known_incidents = (
        each for each in registry.incidents.list_open(container.ref.id) if each.kind is Kind.UNHEALTHY
    )
    earlier = next(known_incidents, None)
    return earlier is None or health.has_come_back(container.health, earlier.since)
