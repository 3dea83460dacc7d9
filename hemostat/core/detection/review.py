"""Reviews the open incidents in every round: an incident has ended, or its hold is gone."""

from typing import Final

from hemostat.core.dependencies.root_cause import OWN_FAULT, HoldReason, RootCause
from hemostat.core.detection import exits
from hemostat.core.detection.healthcheck import has_settled
from hemostat.core.detection.incidents import Incident, IncidentAlert
from hemostat.core.detection.registry import DEATH_KINDS, ContainerRegistry
from hemostat.core.detection.restart_owner import (
    find_orchestrator,
    find_replacements,
    find_slow_loop,
    is_calm,
)
from hemostat.core.detection.stop_intent import is_requested_death
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.detection.workload_records import forget_absent_workloads
from hemostat.core.model import ContainerInfo
from hemostat.core.usage.tracker import GAUGED_KINDS
from hemostat.events import Evidence, Kind

HOLD_SECONDS: Final = 900.0
"""Maximum seconds for which a container waits for a failing dependency."""
UNRELATED_HOLD_SECONDS: Final = 60.0
"""The same for a dependency that was only observed by a connection and is in another project. After that the
failure counts as the container's own."""
HOST_HOLD_SECONDS: Final = 120.0
"""Maximum seconds for which a container waits for a host whose CPU is saturated. Any container can keep a
host busy for as long as it likes, at a weight that starves no other container."""
DRY_RUN: Final = "dry-run"
NO_ACTION_KINDS: Final = frozenset({Kind.CRASH_LOOP, Kind.FLAPPING})
"""Kinds for which no action is taken in any mode."""


def prepare_review(registry: ContainerRegistry, now: float) -> None:
    """Remove incidents that ended and workloads that vanished long ago, before incidents are reviewed."""
    registry.began = now if registry.began is None else registry.began
    registry.register.expire(now)
    forget_absent_workloads(registry)
    registry.storms.expire(now, registry.thresholds.storm_window)


def review_incident(ward: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    """Close an incident that has ended, and raise it again if its hold is gone."""
    if _is_over(ward, incident, now):
        return ward.register.closed(incident.container.id, [incident.kind])
    return [] if incident.held is None else _release(ward, incident, now)


def change_mode(ward: ContainerRegistry, mode: str, now: float) -> list[IncidentAlert]:
    """Set the mode of the responders. After the end of the dry-run mode, raise the incidents that are still
    open again."""
    rehearsed, ward.mode = ward.mode == DRY_RUN and mode != DRY_RUN, mode
    return [told for each in ward.register if rehearsed for told in _raise_again(ward, each, now)]


def _raise_again(ward: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    patient = ward.get(incident.container.id)
    before = any(fact.name == "dead_before" for fact in incident.evidence)
    if patient is None or before or incident.held or incident.kind in NO_ACTION_KINDS:
        return []
    cause = ward.find_cause(patient, incident.kind, now)
    return [ward.open_incident(patient, incident.kind, now, incident.window, incident.evidence, cause)]


def _release(ward: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    patient = ward.get(incident.container.id)
    if patient is None or not (patient.info.running or incident.kind in DEATH_KINDS | {Kind.CRASH_LOOP}):
        return []
    cause = ward.find_cause(patient, incident.kind, now)
    stormy = incident.held is HoldReason.STORM and ward.is_in_storm(patient, now)
    passed = _has_passed(incident, patient)
    if passed or stormy or (cause.held and not _has_waited(ward, incident, cause, now)):
        ward.unheld_since.pop(incident.key, None)
        return []
    if cause.held:
        cause = _find_cause_after_wait(ward, incident, cause, now)
    elif now - ward.unheld_since.setdefault(incident.key, now) < patient.tuned.settle:
        return []
    ward.unheld_since.pop(incident.key, None)
    facts = incident.evidence
    return [ward.open_incident(patient, incident.kind, now, incident.window, facts, cause, relapsed=False)]


def _has_waited(ward: ContainerRegistry, incident: Incident, cause: RootCause, now: float) -> bool:
    """Return whether the incident has waited long enough for its present `cause`, whatever held it before. A
    dependency that a user stopped is awaited until it is started again."""
    observations, waited = ward.observations(), now - incident.since
    if cause.held is HoldReason.HOST:
        return waited >= HOST_HOLD_SECONDS
    root = ward.relations.topology.root(incident.container.id, observations)
    if root is None:
        return False
    if not _must_wait(ward, incident, root):
        return waited >= UNRELATED_HOLD_SECONDS
    return waited >= HOLD_SECONDS and root.ref.id not in observations.stopped


def _must_wait(ward: ContainerRegistry, incident: Incident, root: ContainerInfo) -> bool:
    return ward.relations.topology.must_wait(incident.container.id, root.ref.id)


def _find_cause_after_wait(
    ward: ContainerRegistry, incident: Incident, cause: RootCause, now: float
) -> RootCause:
    root = ward.relations.topology.root(incident.container.id, ward.observations())
    if root is None or not _must_wait(ward, incident, root):
        return OWN_FAULT
    return RootCause(evidence=(*cause.evidence, Evidence("waited", round(now - incident.since, 1), "s")))


def _is_over(ward: ContainerRegistry, incident: Incident, now: float) -> bool:
    """Return whether an incident has ended. A crash ends when the container has run long enough since, a high
    value when the process that had it is gone, and any incident when a user has stopped the container."""
    if incident.kind is Kind.STORM:
        window = ward.thresholds.storm_window
        return ward.has_watched(window, now) and ward.storms.are_over(now, window)
    patient = ward.get(incident.container.id)
    if patient is None:
        return False
    info, settle = patient.info, patient.tuned.settle
    if not info.running:
        return _measure_rest(ward, incident, info, now) > settle or _is_replaced(ward, incident, patient, now)
    return min(now - info.started_at, now - incident.since) >= settle and _is_calm(
        ward, incident, patient, now
    )


def _is_replaced(ward: ContainerRegistry, incident: Incident, patient: WatchedContainer, now: float) -> bool:
    """Return whether the orchestrator has replaced the container, and the replacement is stable."""
    if incident.kind not in DEATH_KINDS | {Kind.CRASH_LOOP} or find_orchestrator(patient.ref) is None:
        return False
    running = [each.info for each in ward if each.info.running]
    replaced = find_replacements(patient.ref, incident.since, running)
    settled = any(now - each.started_at >= patient.tuned.settle for each in replaced)
    return settled and not _is_looping(ward, patient, now)


def _is_looping(ward: ContainerRegistry, patient: WatchedContainer, now: float) -> bool:
    runs = find_slow_loop(ward.list_runs(patient.info), patient.tuned.loop_window, now)
    going = bool(runs) and not is_calm(runs, patient.info.started_at, now)
    return going or exits.is_crash_loop(ward.list_deaths(patient.info), patient.tuned, now)


def _is_calm(ward: ContainerRegistry, incident: Incident, patient: WatchedContainer, now: float) -> bool:
    if incident.kind in GAUGED_KINDS:
        return patient.track.calm(incident.kind)
    if incident.kind is Kind.CRASH_LOOP:
        return not _is_looping(ward, patient, now)
    if incident.kind is Kind.UNHEALTHY:
        return has_settled(patient.health, patient.tuned, now)
    if incident.kind is Kind.HUNG:
        return _has_passed(incident, patient)
    return incident.kind in DEATH_KINDS


def _measure_rest(ward: ContainerRegistry, incident: Incident, info: ContainerInfo, now: float) -> float:
    """Return the seconds for which the container has been down on purpose. Incidents that only a running
    container can have end with it, unless a restart by HemoStat took it down."""
    stop = ward.stops.get(info.ref.id)
    if stop is not None and stop.ours:
        return 0.0
    if incident.kind not in DEATH_KINDS | {Kind.CRASH_LOOP} and info.status in {"exited", "dead"}:
        return now - info.finished_at
    return now - stop.time if stop is not None and is_requested_death(stop, info.finished_at) else 0.0


def _has_passed(incident: Incident, patient: WatchedContainer) -> bool:
    """Return whether the check or probe that failed passes now, settled or not."""
    match incident.kind:
        case Kind.UNHEALTHY:
            return patient.health.failing is None and patient.health.passed is not None
        case Kind.HUNG:
            return patient.probing.succeeded and not patient.probing.failures
    return False
