"""Deaths of containers under watch: which are failures, which are loops, and which an owner makes good.

A death that may be the answer to somebody's wish is held for a moment, until the engine would have said so.
One that an owner is to make good is told when the owner has had its time and has not.
"""

from collections.abc import Iterable
from typing import Final

from hemostat.core.detection import exits, restart_owner, stop_intent
from hemostat.core.detection.incidents import Incident, IncidentAlert
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
"""Deaths of one container that are remembered: more tell nothing more."""
DOWN_KINDS: Final = DEATH_KINDS | {Kind.CRASH_LOOP}
KINDS_ENDED_BY_DEATH: Final = frozenset({Kind.UNHEALTHY, Kind.FLAPPING, Kind.HUNG})
"""Kinds that are over when the container is told to be down."""


def handle_death(
    ward: ContainerRegistry, patient: WatchedContainer, event: EngineEvent, now: float
) -> list[IncidentAlert]:
    info = patient.info
    if now - event.time > exits.STALE_DEATH_SECONDS or _is_reported(ward, info):
        return []
    exit_code = info.exit_code if event.exit_code is None else event.exit_code
    stop = ward.stops.get(info.ref.id)
    if exit_code == 0 and stop is None and not restart_owner.is_restarted_by_docker(info, exit_code):
        ward.clean_ends[info.ref.id] = ward.clean_ends.get(info.ref.id, 0) + 1
    if stop_intent.is_requested_death(stop, event.time) or (stop is not None and stop.ours):
        return []
    wait = stop_intent.get_stop_wait(stop, exit_code, podman=ward.podman, kills=ward.kills)
    by_kernel = not ward.podman and exits.classify_exit(exit_code, oom=_is_oom(ward, info)) is Kind.OOM
    if exit_code and wait and not by_kernel and now - event.time < stop_intent.HINTED_STOP_WAIT_SECONDS:
        ward.held[info.ref.id] = PendingExit(exit_code=exit_code, time=event.time, due=now + wait)
        return []
    return handle_unwanted_death(ward, patient, exit_code, event.time, now)


def handle_unwanted_death(
    ward: ContainerRegistry, patient: WatchedContainer, exit_code: int, died_at: float, now: float
) -> list[IncidentAlert]:
    """A death that nobody wanted."""
    info = patient.info
    ward.stops.pop(info.ref.id, None)  # The container did not end of that signal, which it survived.
    if restart_owner.find_orchestrator(info.ref) or restart_owner.is_restarted_by_docker(info, exit_code):
        _record_run(ward, info, exit_code, died_at)
    if exit_code == 0:
        return _report_slow_loop(ward, patient, now)
    kind = exits.classify_exit(exit_code, oom=_is_oom(ward, info))
    return _report_failure(ward, patient, kind, exit_code, died_at, now)


def find_missed_death(
    ward: ContainerRegistry, patient: WatchedContainer, seen_until: float, now: float
) -> list[IncidentAlert]:
    """A container as it is listed: whether it died while nobody looked. A process that was started after the
    last death that was told has died another one."""
    info = patient.info
    stop = ward.stops.get(info.ref.id)
    if is_known_dead(ward, info) or (stop is not None and stop.ours) or info.ref.id in ward.held:
        return []
    if restart_owner.is_given_up(info):
        return report_given_up(ward, patient, now)
    if not seen_until or stop_intent.is_requested_death(stop, info.finished_at):
        return []
    kind = exits.classify_missed_exit(info, seen_until=max(seen_until, now - exits.STALE_DEATH_SECONDS))
    return [] if kind is None else _report_failure(ward, patient, kind, info.exit_code, info.finished_at, now)


def report_earlier_death(
    ward: ContainerRegistry, patient: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """A container that was dead before anybody looked: told once if it had failed. A person may have left it
    so: nothing is done about it, and many of them are no storm."""
    info = patient.info
    if not exits.has_failed_before(info, now) or is_known_dead(ward, info) or is_session(info):
        return []
    facts = [
        Evidence("dead_before", True),
        *_build_death_evidence(ward, info, info.exit_code, info.finished_at),
    ]
    return [ward.tell(patient, Kind.EXITED, since=info.finished_at, evidence=facts)]


def report_if_given_up(ward: ContainerRegistry, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
    """A container that its owner was to bring back, some time later: whether the owner has given it up."""
    info = patient.info
    awaited = ward.awaited.get(info.ref.id)
    if awaited is None or info.status in {"restarting", "removing"}:
        return []
    del ward.awaited[info.ref.id]
    if not exits.stays_down(info) or is_known_dead(ward, info):
        return []
    if stop_intent.is_requested_death(ward.stops.get(info.ref.id), awaited.time) and not info.error:
        return []
    if awaited.exit_code == 0 and not info.error:
        return []
    return report_given_up(ward, patient, now)


def report_given_up(ward: ContainerRegistry, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
    """Docker does not start it again, whatever its policy says."""
    info = patient.info
    ward.stops.pop(info.ref.id, None)
    facts = [Evidence("given_up", True), *_build_death_evidence(ward, info, info.exit_code, info.finished_at)]
    return ward.fail(
        patient, Kind.EXITED, since=max(info.finished_at, info.started_at), now=now, evidence=facts
    )


def report_unreplaced(ward: ContainerRegistry, now: float) -> list[IncidentAlert]:
    """Tell of the containers that an orchestrator has had the time to replace, and has not."""
    told: list[IncidentAlert] = []
    for identity, death in list(ward.awaited.items()):
        patient = ward.get(identity)
        if patient is None or restart_owner.find_orchestrator(patient.ref) is None or now < death.due:
            continue
        del ward.awaited[identity]
        others = [each.info for each in ward]
        if is_known_dead(ward, patient.info) or restart_owner.find_replacements(
            patient.ref, death.time, others
        ):
            continue
        kind = exits.classify_exit(death.exit_code, oom=_is_oom(ward, patient.info))
        facts = _build_death_evidence(ward, patient.info, death.exit_code, death.time)
        told += ward.fail(patient, kind, since=death.time, now=now, evidence=facts)
    return told


def report_survived_oom(
    ward: ContainerRegistry, patient: WatchedContainer, killed_at: float, now: float
) -> list[IncidentAlert]:
    """The kernel has killed a process in it a moment ago, and its main process goes on."""
    info = patient.info
    known = (info.ref.id, Kind.OOM) in ward.register
    if known or not info.running or info.started_at > killed_at:
        return []
    return ward.fail(patient, Kind.OOM, since=killed_at, now=now, evidence=[Evidence("survived", True)])


def report_failed_restart(
    ward: ContainerRegistry, patient: WatchedContainer, now: float
) -> list[IncidentAlert]:
    """A restart of ours has stopped it and could not start it."""
    info = patient.info
    ward.stops.pop(info.ref.id, None)
    if is_known_dead(ward, info):
        return []
    over = ward.register.closed(info.ref.id, KINDS_ENDED_BY_DEATH)
    facts = [
        Evidence("taken_down", True),
        *_build_death_evidence(ward, info, info.exit_code, info.finished_at),
    ]
    return over + ward.fail(patient, Kind.EXITED, since=info.finished_at, now=now, evidence=facts)


def _is_reported(ward: ContainerRegistry, info: ContainerInfo) -> bool:
    """Whether the death of this very process was found by listing, before its event came."""
    return any(each.since == info.finished_at > info.started_at for each in _find_down_incidents(ward, info))


def is_known_dead(ward: ContainerRegistry, info: ContainerInfo) -> bool:
    """Whether this very process is known to have died."""
    return any(info.started_at <= each.since for each in _find_down_incidents(ward, info))


def _find_down_incidents(ward: ContainerRegistry, info: ContainerInfo) -> Iterable[Incident]:
    for each in ward.register.of(info.ref.id):
        survived = any(fact.name == "survived" for fact in each.evidence)
        if each.kind in DOWN_KINDS and not survived:
            yield each


def _is_oom(ward: ContainerRegistry, info: ContainerInfo) -> bool:
    """The engine's own flag may be of an earlier run: it counts where no event could have come."""
    killed_at = ward.ooms.get(info.ref.id)
    if ward.podman:
        return info.oom_killed
    return killed_at is not None and killed_at >= info.started_at


def _record_run(ward: ContainerRegistry, info: ContainerInfo, exit_code: int, died_at: float) -> None:
    key = restart_owner.get_workload_key(info.ref)
    run = EndedRun(ended=died_at, exit_code=exit_code, seconds=max(0.0, died_at - info.started_at))
    ward.runs[key] = (*ward.runs.get(key, ()), run)[-MAX_DEATHS:]


def _report_failure(
    ward: ContainerRegistry, patient: WatchedContainer, kind: Kind, exit_code: int, since: float, now: float
) -> list[IncidentAlert]:
    """A crash loop if it is one too many, else a crash, unless its owner makes it good."""
    ref, tuned, register = patient.ref, patient.tuned, ward.register
    key = restart_owner.get_workload_key(ref)
    earlier = ward.deaths.get(key, ())
    deaths = (*(death for death in earlier if abs(since - death) < tuned.loop_window), since)[-MAX_DEATHS:]
    ward.deaths[key] = deaths
    if exits.is_crash_loop(deaths, tuned, now):
        if ward.is_looping(ref):
            return []
        facts = [
            Evidence("deaths", len(deaths)),
            *_build_death_evidence(ward, patient.info, exit_code, since),
        ]
        over = register.closed(ref.id, list(DEATH_KINDS))
        return over + ward.fail(
            patient, Kind.CRASH_LOOP, since=since, now=now, window=tuned.loop_window, evidence=facts
        )
    orchestrator = restart_owner.find_orchestrator(ref)
    if orchestrator is not None:
        ward.awaited[ref.id] = PendingExit(exit_code=exit_code, time=since, due=now + orchestrator.patience)
        return _report_slow_loop(ward, patient, now)
    if not exits.stays_down(patient.info):
        return _report_slow_loop(ward, patient, now)
    facts = _build_death_evidence(ward, patient.info, exit_code, since)
    if reason := ward.job_reason(patient.info):
        facts.append(Evidence("job", reason))
    return ward.fail(patient, kind, since=since, now=now, evidence=facts)


def _report_slow_loop(ward: ContainerRegistry, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
    """A loop that its owner keeps going: one that ends well, or one that takes its time."""
    window = patient.tuned.loop_window
    runs = restart_owner.find_slow_loop(
        ward.runs.get(restart_owner.get_workload_key(patient.ref), ()), window, now
    )
    if not runs or ward.is_looping(patient.ref) or is_job(patient.ref):
        return []
    lasted = now - runs[0].ended + runs[0].seconds
    facts = [
        Evidence("deaths", len(runs)),
        *_build_death_evidence(ward, patient.info, runs[-1].exit_code, runs[-1].ended),
        Evidence("restarts", patient.info.restart_count),
    ]
    return ward.fail(
        patient, Kind.CRASH_LOOP, since=runs[-1].ended, now=now, window=round(lasted, 1), evidence=facts
    )


def _build_death_evidence(
    ward: ContainerRegistry, info: ContainerInfo, exit_code: int, since: float
) -> list[Evidence]:
    evidence = [Evidence("exit_code", exit_code)]
    oom = ward.ooms.get(info.ref.id)
    if exits.classify_exit(exit_code, oom=_is_oom(ward, info)) is Kind.OOM and info.memory_limit:
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
