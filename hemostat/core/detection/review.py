"""Reviews the open incidents in every round: an incident has ended, or its hold is gone."""

from typing import Final

from hemostat.core.dependencies.root_cause import OWN_FAULT, HoldReason, RootCause
from hemostat.core.detection import exits
from hemostat.core.detection.healthcheck import has_settled
from hemostat.core.detection.incidents import Incident, IncidentAlert, IncidentEnd
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
from hemostat.core.model import ContainerInfo, Mode
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
NO_ACTION_MODES: Final = frozenset({"dry-run", "off"})
"""Modes in which no automatic action runs."""
PROJECT_PREFIX: Final = "project "
NO_ACTION_KINDS: Final = frozenset({Kind.CRASH_LOOP, Kind.FLAPPING})
"""Kinds for which no action is taken in any mode."""


def prepare_review(registry: ContainerRegistry, now: float) -> None:
    """Remove incidents that ended and workloads that vanished long ago, before incidents are reviewed."""
    registry.watching_since = now if registry.watching_since is None else registry.watching_since
    registry.incidents.expire(now)
    forget_absent_workloads(registry)
    registry.storms.expire(now, registry.thresholds.storm_window)


def review_incident(registry: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    """Close an incident that has ended, and raise it again if its hold is gone."""
    if _is_over(registry, incident, now):
        end, container = _find_end(registry, incident, now), registry.get(incident.container.id)
        if end is None and container is not None:
            return registry.close_recovered(container, [incident.kind], now)
        return registry.incidents.close_incidents(incident.container.id, [incident.kind], end)
    return [] if incident.held is None else _release(registry, incident, now)


def change_mode(registry: ContainerRegistry, mode: Mode, now: float) -> list[IncidentAlert]:
    """Set the mode of the responders. Where a mode without actions has ended, raise the incidents that are
    still open again."""
    before, registry.mode = registry.mode, mode
    ended = [each for each in registry.incidents if _has_rehearsal_ended(each, before, mode, now)]
    return [alert for each in ended for alert in _raise_again(registry, each, now)]


def _has_rehearsal_ended(incident: Incident, before: Mode, after: Mode, now: float) -> bool:
    """Return whether some action on the container could not run before, and may run now. The responder itself
    has decided about an incident that was raised after the change."""
    if after.since and (incident.raised or now) >= after.since:
        return False
    project = f"{PROJECT_PREFIX}{incident.container.project}"
    if after.mode in NO_ACTION_MODES or project in after.rehearsed:
        return False
    ended_actions = {*before.rehearsed} - {*after.rehearsed}
    return before.mode in NO_ACTION_MODES or any(
        name == project or not name.startswith(PROJECT_PREFIX) for name in ended_actions
    )


def _raise_again(registry: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    container = registry.get(incident.container.id)
    before = any(fact.name == "dead_before" for fact in incident.evidence)
    if container is None or before or incident.held or incident.kind in NO_ACTION_KINDS:
        return []
    cause = registry.find_cause(container, incident.kind, now)
    return [registry.open_incident(container, incident.kind, now, incident.window, incident.evidence, cause)]


def _release(registry: ContainerRegistry, incident: Incident, now: float) -> list[IncidentAlert]:
    container = registry.get(incident.container.id)
    if container is None or not (
        container.info.is_running or incident.kind in DEATH_KINDS | {Kind.CRASH_LOOP}
    ):
        return []
    cause = registry.find_cause(container, incident.kind, now)
    stormy = incident.held is HoldReason.STORM and registry.is_in_storm(container, now)
    passed = _has_passed(incident, container)
    if passed or stormy or (cause.hold_reason and not _has_waited(registry, incident, cause, now)):
        registry.unheld_since.pop(incident.key, None)
        return []
    if cause.hold_reason:
        cause = _find_cause_after_wait(registry, incident, cause, now)
    elif now - registry.unheld_since.setdefault(incident.key, now) < container.thresholds.settle:
        return []
    registry.unheld_since.pop(incident.key, None)
    facts = incident.evidence
    return [
        registry.open_incident(container, incident.kind, now, incident.window, facts, cause, relapsed=False)
    ]


def _has_waited(registry: ContainerRegistry, incident: Incident, cause: RootCause, now: float) -> bool:
    """Return whether the incident has waited long enough for its present `cause`, whatever held it before. A
    dependency that a user stopped is awaited until it is started again."""
    observations, waited = registry.collect_observations(now), now - incident.since
    if cause.hold_reason is HoldReason.HOST:
        return waited >= HOST_HOLD_SECONDS
    root = registry.relations.graph.find_root(incident.container.id, observations)
    if root is None:
        return False
    if not _must_wait(registry, incident, root):
        return waited >= UNRELATED_HOLD_SECONDS
    return waited >= HOLD_SECONDS and root.ref.id not in observations.stopped_ids


def _must_wait(registry: ContainerRegistry, incident: Incident, root: ContainerInfo) -> bool:
    return registry.relations.graph.must_wait(incident.container.id, root.ref.id)


def _find_cause_after_wait(
    registry: ContainerRegistry, incident: Incident, cause: RootCause, now: float
) -> RootCause:
    root = registry.relations.graph.find_root(incident.container.id, registry.collect_observations(now))
    if root is None or not _must_wait(registry, incident, root):
        return OWN_FAULT
    return RootCause(evidence=(*cause.evidence, Evidence("waited", round(now - incident.since, 1), "s")))


def _is_over(registry: ContainerRegistry, incident: Incident, now: float) -> bool:
    """Return whether an incident has ended. A crash ends when the container has run long enough since, a high
    value when the process that had it is gone, and any incident when a user has stopped the container."""
    if incident.kind is Kind.STORM:
        window = registry.thresholds.storm_window
        return registry.has_watched(window, now) and registry.storms.are_over(now, window)
    container = registry.get(incident.container.id)
    if container is None:
        return False
    info, settle = container.info, container.thresholds.settle
    if not info.is_running:
        return _measure_rest(registry, incident, info, now) > settle or _is_replaced(
            registry, incident, container, now
        )
    return min(now - info.started_at, now - incident.since) >= settle and _is_calm(
        registry, incident, container, now
    )


def _find_end(registry: ContainerRegistry, incident: Incident, now: float) -> IncidentEnd | None:
    """Why the incident is over; None if its condition has ended."""
    container = registry.get(incident.container.id)
    if container is None or container.info.is_running:
        return None
    is_replaced = _is_replaced(registry, incident, container, now)
    return IncidentEnd.REPLACED if is_replaced else IncidentEnd.STOPPED


def _is_replaced(
    registry: ContainerRegistry, incident: Incident, container: WatchedContainer, now: float
) -> bool:
    """Return whether the orchestrator has replaced the container, and the replacement is stable."""
    if incident.kind not in DEATH_KINDS | {Kind.CRASH_LOOP} or find_orchestrator(container.ref) is None:
        return False
    running = [each.info for each in registry if each.info.is_running]
    replaced = find_replacements(container.ref, incident.since, running)
    settled = any(now - each.started_at >= container.thresholds.settle for each in replaced)
    return settled and not _is_looping(registry, container, now)


def _is_looping(registry: ContainerRegistry, container: WatchedContainer, now: float) -> bool:
    runs = find_slow_loop(registry.list_runs(container.info), container.thresholds.loop_window, now)
    going = bool(runs) and not is_calm(runs, container.info.started_at, now)
    return going or exits.is_crash_loop(registry.list_deaths(container.info), container.thresholds, now)


def _is_calm(
    registry: ContainerRegistry, incident: Incident, container: WatchedContainer, now: float
) -> bool:
    if incident.kind in GAUGED_KINDS:
        return container.usage.is_calm(incident.kind)
    if incident.kind is Kind.CRASH_LOOP:
        return not _is_looping(registry, container, now)
    if incident.kind is Kind.UNHEALTHY:
        return has_settled(container.health, container.thresholds, now)
    if incident.kind is Kind.HUNG:
        return _has_passed(incident, container)
    return incident.kind in DEATH_KINDS


def _measure_rest(registry: ContainerRegistry, incident: Incident, info: ContainerInfo, now: float) -> float:
    """Return the seconds for which the container has been down on purpose. Incidents that only a running
    container can have end with it, unless a restart by HemoStat took it down."""
    stop = registry.stops.get(info.ref.id)
    if stop is not None and stop.ours:
        return 0.0
    if incident.kind not in DEATH_KINDS | {Kind.CRASH_LOOP} and info.status in {"exited", "dead"}:
        return now - info.finished_at
    return now - stop.time if stop is not None and is_requested_death(stop, info.finished_at) else 0.0


def _has_passed(incident: Incident, container: WatchedContainer) -> bool:
    """Return whether the check or probe that failed passes now, settled or not."""
    match incident.kind:
        case Kind.UNHEALTHY:
            return container.health.failing_since is None and container.health.passed_at is not None
        case Kind.HUNG:
            return container.probe_state.succeeded and not container.probe_state.failures
    return False
