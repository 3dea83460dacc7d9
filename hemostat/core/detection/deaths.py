"""Decides which deaths of watched containers are failures, which are loops, and which an owner handles.

A death that may answer a user's stop request is held for a moment, until the engine would have reported the
stop. A death that the container's owner should handle by a restart or a replacement becomes an alert if the
owner has not acted when its time is over.
"""

from collections.abc import Iterable
from typing import Final

from hemostat.core.detection import exits, restart_owner, stop_intent
from hemostat.core.detection.incidents import Incident, IncidentAlert, IncidentEnd
from hemostat.core.detection.jobs import is_session
from hemostat.core.detection.registry import DEATH_KINDS, ContainerRegistry
from hemostat.core.detection.restart_owner import EndedRun
from hemostat.core.detection.stop_intent import PendingExit
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.redact import redact
from hemostat.core.settings.monitor import is_job
from hemostat.events import Evidence, Kind

MAX_DEATHS: Final = 20
"""Number of deaths remembered per container. More deaths add no information."""
DOWN_KINDS: Final = DEATH_KINDS | {Kind.CRASH_LOOP}
KINDS_ENDED_BY_DEATH: Final = frozenset({Kind.UNHEALTHY, Kind.FLAPPING, Kind.HUNG})
"""Kinds of incidents that end when the container is reported as down."""


def handle_death(
    registry: ContainerRegistry, container: WatchedContainer, event: EngineEvent, now: float
) -> list[IncidentAlert]:
    info = container.info
    if now - event.time > exits.STALE_DEATH_SECONDS or _is_reported(registry, info):
        return []
    exit_code = info.exit_code if event.exit_code is None else event.exit_code
    stop = registry.stops.get(info.ref.id)
    if exit_code == 0 and stop is None and not restart_owner.is_restarted_by_docker(info, exit_code):
        registry.clean_ends[info.ref.id] = registry.clean_ends.get(info.ref.id, 0) + 1
    if stop_intent.is_requested_death(stop, event.time) or (stop is not None and stop.ours):
        return []
    wait = stop_intent.get_stop_wait(
        stop, exit_code, podman=registry.is_podman, kills=registry.has_kill_events
    )
    by_kernel = (
        not registry.is_podman and exits.classify_exit(exit_code, oom=_is_oom(registry, info)) is Kind.OOM
    )
    # Docker's `stop` event has come by then. Podman's sign of a stop is read later, however late the exit is.
    is_late = not registry.is_podman and now - event.time >= stop_intent.HINTED_STOP_WAIT_SECONDS
    if exit_code and wait and not by_kernel and not is_late:
        registry.pending_exits[info.ref.id] = PendingExit(
            exit_code=exit_code, time=event.time, due=now + wait
        )
        return []
    return handle_unwanted_death(registry, container, exit_code, event.time, now)


def handle_unwanted_death(
    registry: ContainerRegistry, container: WatchedContainer, exit_code: int, died_at: float, now: float
) -> list[IncidentAlert]:
    """Handle a death that no user requested."""
    info = container.info
    registry.stops.pop(info.ref.id, None)  # The container survived that signal.
    if restart_owner.find_orchestrator(info.ref) or restart_owner.is_restarted_by_docker(info, exit_code):
        _record_run(registry, info, exit_code, died_at)
    if exit_code == 0:
        return _report_slow_loop(registry, container, now)
    kind = exits.classify_exit(exit_code, oom=_is_oom(registry, info))
    return _report_failure(registry, container, kind, exit_code, died_at, now)


def find_missed_death(
    registry: ContainerRegistry, container: WatchedContainer, seen_until: float, now: float
) -> list[IncidentAlert]:
    """Return alerts for a listed container that died while the monitor was not watching. A process that was
    started after the last reported death has died another death."""
    info = container.info
    stop = registry.stops.get(info.ref.id)
    if (
        is_known_dead(registry, info)
        or (stop is not None and stop.ours)
        or info.ref.id in registry.pending_exits
    ):
        return []
    if restart_owner.is_given_up(info):
        return report_given_up(registry, container, now)
    if not seen_until or stop_intent.is_requested_death(stop, info.finished_at):
        return []
    kind = exits.classify_missed_exit(info, seen_until=max(seen_until, now - exits.STALE_DEATH_SECONDS))
    return (
        []
        if kind is None
        else _report_failure(registry, container, kind, info.exit_code, info.finished_at, now)
    )


def report_earlier_death(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report a container that was dead before the first look, once, if it had failed. A user may have left it
    down: no action follows, and many such containers are no storm."""
    info = container.info
    if not exits.has_failed_before(info, now) or is_known_dead(registry, info) or is_session(info):
        return []
    facts = [
        Evidence("dead_before", True),
        *_build_death_evidence(registry, info, info.exit_code, info.finished_at),
    ]
    return [registry.report_alone(container, Kind.EXITED, since=info.finished_at, evidence=facts)]


def report_if_given_up(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report a container that its owner should have restarted by now, if the owner has given up."""
    info = container.info
    awaited = registry.awaited_restarts.get(info.ref.id)
    if awaited is None or info.status in {"restarting", "removing"}:
        return []
    del registry.awaited_restarts[info.ref.id]
    if not exits.stays_down(info) or is_known_dead(registry, info):
        return []
    if stop_intent.is_requested_death(registry.stops.get(info.ref.id), awaited.time) and not info.error:
        return []
    if awaited.exit_code == 0 and not info.error:
        return []
    return report_given_up(registry, container, now)


def report_given_up(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report that Docker does not start the container again, despite its restart policy."""
    info = container.info
    registry.stops.pop(info.ref.id, None)
    facts = [
        Evidence("given_up", True),
        *_build_death_evidence(registry, info, info.exit_code, info.finished_at),
    ]
    return registry.report_failure(
        container, Kind.EXITED, since=max(info.finished_at, info.started_at), now=now, evidence=facts
    )


def report_check_end(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report that the engine itself ended an unhealthy container. It does not apply its restart policy
    then."""
    info = container.info
    if info.check is None or is_known_dead(registry, info) or not exits.stays_down(info):
        return []
    if restart_owner.find_orchestrator(info.ref) is not None:
        return handle_unwanted_death(registry, container, info.exit_code, info.finished_at, now)
    registry.stops.pop(info.ref.id, None)
    facts = [
        Evidence("check_action", info.check.on_failure),
        *([Evidence("given_up", True)] if restart_owner.is_restarted_by_docker(info) else []),
        *_build_death_evidence(registry, info, info.exit_code, info.finished_at),
    ]
    over = registry.incidents.close_incidents(info.ref.id, KINDS_ENDED_BY_DEATH, IncidentEnd.SUPERSEDED)
    return over + registry.report_failure(
        container, Kind.EXITED, since=info.finished_at, now=now, evidence=facts
    )


def report_unreplaced(registry: ContainerRegistry, now: float) -> list[IncidentAlert]:
    """Return alerts for containers that their orchestrator has not replaced in time."""
    alerts: list[IncidentAlert] = []
    for identity, death in list(registry.awaited_restarts.items()):
        container = registry.get(identity)
        if container is None or restart_owner.find_orchestrator(container.ref) is None or now < death.due:
            continue
        del registry.awaited_restarts[identity]
        infos = [each.info for each in registry]
        if is_known_dead(registry, container.info) or restart_owner.find_replacements(
            container.ref, death.time, infos
        ):
            continue
        kind = exits.classify_exit(death.exit_code, oom=_is_oom(registry, container.info))
        facts = _build_death_evidence(registry, container.info, death.exit_code, death.time)
        alerts += registry.report_failure(container, kind, since=death.time, now=now, evidence=facts)
    return alerts


def report_survived_oom(
    registry: ContainerRegistry, container: WatchedContainer, killed_at: float, now: float
) -> list[IncidentAlert]:
    """Report that the kernel just killed a process in the container while its main process continues."""
    info = container.info
    is_known = (info.ref.id, Kind.OOM) in registry.incidents
    if is_known or not info.is_running or info.started_at > killed_at:
        return []
    return registry.report_failure(
        container, Kind.OOM, since=killed_at, now=now, evidence=[Evidence("survived", True)]
    )


def report_failed_restart(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report that a restart by HemoStat stopped the container and could not start it."""
    info = container.info
    registry.stops.pop(info.ref.id, None)
    if is_known_dead(registry, info):
        return []
    over = registry.incidents.close_incidents(info.ref.id, KINDS_ENDED_BY_DEATH, IncidentEnd.SUPERSEDED)
    facts = [
        Evidence("taken_down", True),
        *_build_death_evidence(registry, info, info.exit_code, info.finished_at),
    ]
    return over + registry.report_failure(
        container, Kind.EXITED, since=info.finished_at, now=now, evidence=facts
    )


def _is_reported(registry: ContainerRegistry, info: ContainerInfo) -> bool:
    """Return whether listing found the death of this same process before its event arrived."""
    return any(
        each.since == info.finished_at > info.started_at for each in _find_down_incidents(registry, info)
    )


def is_known_dead(registry: ContainerRegistry, info: ContainerInfo) -> bool:
    """Return whether this same process is known to have died."""
    return any(info.started_at <= each.since for each in _find_down_incidents(registry, info))


def _find_down_incidents(registry: ContainerRegistry, info: ContainerInfo) -> Iterable[Incident]:
    for each in registry.incidents.list_open(info.ref.id):
        survived = any(fact.name == "survived" for fact in each.evidence)
        if each.kind in DOWN_KINDS and not survived:
            yield each


def _is_oom(registry: ContainerRegistry, info: ContainerInfo) -> bool:
    """Return whether the kernel killed a process of this run. The engine's own flag may describe an earlier
    run: it counts only where no event could have arrived."""
    killed_at = registry.ooms.get(info.ref.id)
    if registry.is_podman:
        return info.oom_killed
    return killed_at is not None and killed_at >= info.started_at


def _record_run(registry: ContainerRegistry, info: ContainerInfo, exit_code: int, died_at: float) -> None:
    key = restart_owner.get_workload_key(info.ref)
    run = EndedRun(ended=died_at, exit_code=exit_code, seconds=max(0.0, died_at - info.started_at))
    registry.runs[key] = (*registry.runs.get(key, ()), run)[-MAX_DEATHS:]


def _report_failure(
    registry: ContainerRegistry,
    container: WatchedContainer,
    kind: Kind,
    exit_code: int,
    since: float,
    now: float,
) -> list[IncidentAlert]:
    """Report a crash loop after too many deaths, otherwise a crash, unless the owner handles it."""
    ref, tuned, register = container.ref, container.thresholds, registry.incidents
    key = restart_owner.get_workload_key(ref)
    recent = [death for death in registry.deaths.get(key, ()) if abs(since - death) < tuned.loop_window]
    registry.deaths[key] = (*recent, since)[-MAX_DEATHS:]
    deaths = (*(death for death in recent if restart_owner.may_precede(container.info, death)), since)
    if exits.is_crash_loop(deaths, tuned, now):
        if registry.is_looping(container.info):
            return []
        facts = [
            Evidence("deaths", len(deaths)),
            *_build_death_evidence(registry, container.info, exit_code, since),
        ]
        over = register.close_incidents(ref.id, list(DEATH_KINDS), IncidentEnd.SUPERSEDED)
        return over + registry.report_failure(
            container, Kind.CRASH_LOOP, since=since, now=now, window=tuned.loop_window, evidence=facts
        )
    orchestrator = restart_owner.find_orchestrator(ref)
    if orchestrator is not None:
        registry.awaited_restarts[ref.id] = PendingExit(
            exit_code=exit_code, time=since, due=now + orchestrator.patience_seconds
        )
        return _report_slow_loop(registry, container, now)
    if not exits.stays_down(container.info):
        return _report_slow_loop(registry, container, now)
    facts = _build_death_evidence(registry, container.info, exit_code, since)
    if reason := registry.explain_job(container.info):
        facts.append(Evidence("job", reason))
    return registry.report_failure(container, kind, since=since, now=now, evidence=facts)


def _report_slow_loop(
    registry: ContainerRegistry, container: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """Report a loop that the owner keeps going: its runs end with 0, or it is slower than the loop window."""
    window = container.thresholds.loop_window
    runs = restart_owner.find_slow_loop(registry.list_runs(container.info), window, now)
    if not runs or registry.is_looping(container.info) or is_job(container.ref):
        return []
    lasted = now - runs[0].ended + runs[0].seconds
    facts = [
        Evidence("deaths", len(runs)),
        *_build_death_evidence(registry, container.info, runs[-1].exit_code, runs[-1].ended),
        Evidence("restarts", container.info.restart_count),
    ]
    return registry.report_failure(
        container, Kind.CRASH_LOOP, since=runs[-1].ended, now=now, window=round(lasted, 1), evidence=facts
    )


def _build_death_evidence(
    registry: ContainerRegistry, info: ContainerInfo, exit_code: int, since: float
) -> list[Evidence]:
    evidence = [Evidence("exit_code", exit_code)]
    oom = registry.ooms.get(info.ref.id)
    if exits.classify_exit(exit_code, oom=_is_oom(registry, info)) is Kind.OOM and info.memory_limit:
        evidence.append(Evidence("memory_limit", info.memory_limit, "B"))
    if 0 < info.started_at <= since:
        evidence.append(Evidence("ran", round(since - info.started_at, 3), "s"))
    if oom is not None and info.started_at <= oom and exit_code != exits.SIGKILL_EXIT_CODE:
        evidence.append(Evidence("after_oom_kill", round(max(0.0, since - oom), 3), "s"))
    if info.error:
        evidence.append(Evidence("engine_says", redact(info.error)))
    if (orchestrator := restart_owner.find_orchestrator(info.ref)) is not None:
        evidence.append(Evidence("managed_by", orchestrator.name))
    return evidence
