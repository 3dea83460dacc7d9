"""What the engine's events and listings mean for a container under watch: deaths, wishes, health."""

from hemostat.core import detect, health
from hemostat.core.incidents import Told
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.ward import DEATHS, Patient, Ward
from hemostat.events import Evidence, Kind

REMEMBERED = 20
"""Deaths of one container that are remembered: more tell nothing more."""

DOWN = DEATHS | {Kind.CRASH_LOOP}


def asked(ward: Ward, event: EngineEvent) -> None:
    """Somebody sent a signal: note it if it asks the container to end."""
    patient = ward.get(event.container.id)
    if detect.intended(event, patient.info.stop_signal if patient else None):
        ward.asked[event.container.id] = event.time


def died(ward: Ward, patient: Patient, event: EngineEvent, now: float) -> list[Told]:
    info = patient.info
    if now - event.time > detect.STALE or _is_told(ward, info):
        return []
    exit_code = info.exit_code if event.exit_code is None else event.exit_code
    asked_at = ward.asked.get(info.ref.id)
    kind = detect.failure(info, exit_code, asked_at=asked_at, died_at=event.time)
    if exit_code == 0 and asked_at is None and not detect.restarts_itself(info):
        ward.clean_ends[info.ref.id] = ward.clean_ends.get(info.ref.id, 0) + 1
    return [] if kind is None else _failed(ward, patient, kind, exit_code, event.time, now)


def missed(ward: Ward, patient: Patient, seen_until: float, now: float) -> list[Told]:
    """A container as it is listed: whether it died while nobody looked. A process that was started after the
    last death that was told has died another one."""
    info = patient.info
    down = [each for each in ward.register.of(info.ref.id) if each.kind in DOWN]
    known = any(info.started_at <= incident.since for incident in down)
    asked_at = ward.asked.get(info.ref.id)
    wanted = asked_at is not None and info.finished_at - asked_at < detect.INTENT_LASTS
    if known or wanted or not seen_until:
        return []
    kind = detect.missed_failure(info, seen_until=max(seen_until, now - detect.STALE))
    return [] if kind is None else _failed(ward, patient, kind, info.exit_code, info.finished_at, now)


def turned(patient: Patient, event: EngineEvent) -> None:
    """Its health check passes or fails from now on."""
    patient.health = health.turned(
        patient.health,
        healthy=event.action == "healthy",
        time=event.time,
        window=patient.tuned.flap_window,
    )


def judge_health(ward: Ward, patient: Patient, now: float) -> list[Told]:
    """Open and close what its health check says by now."""
    ref, told = patient.ref, list[Told]()
    state, tuned, register = patient.health, patient.tuned, ward.register
    if patient.info.health is None:
        return told
    if state.failing is None:
        told += register.closed(ref.id, [Kind.UNHEALTHY])
    if (ref.id, Kind.FLAPPING) in register:
        calm = ward.has_watched(tuned.flap_window, now) and health.is_calm(state, tuned, now)
        told += register.closed(ref.id, [Kind.FLAPPING]) if calm else []
    elif health.flaps(state, tuned, now):
        told += register.closed(ref.id, [Kind.UNHEALTHY])
        facts = [Evidence("changes", len(state.changes))]
        told += ward.fail(
            patient, Kind.FLAPPING, since=state.changes[0], now=now, window=tuned.flap_window, evidence=facts
        )
    failing = patient.info.running and patient.info.health == "unhealthy" and state.failing is not None
    if failing and health.is_due(state, tuned, now) and (ref.id, Kind.UNHEALTHY) not in register:
        since = now if state.failing is None else state.failing
        told += ward.fail(patient, Kind.UNHEALTHY, since=since, now=now)
    return told


def _is_told(ward: Ward, info: ContainerInfo) -> bool:
    """Whether the death of this very process was found by listing, before its event came."""
    return any(
        incident.kind in DOWN and incident.since == info.finished_at > info.started_at
        for incident in ward.register.of(info.ref.id)
    )


def _failed(ward: Ward, patient: Patient, kind: Kind, exit_code: int, since: float, now: float) -> list[Told]:
    """A death that nobody wanted: a crash loop if it is one too many, else a crash unless Docker mends it."""
    ref, tuned, register = patient.ref, patient.tuned, ward.register
    ward.asked.pop(ref.id, None)  # It did not end of that; left there, it would end the incident.
    earlier = ward.deaths.get(ref.id, ())
    deaths = (*(death for death in earlier if abs(since - death) < tuned.loop_window), since)[-REMEMBERED:]
    ward.deaths[ref.id] = deaths
    if detect.looping(deaths, tuned, now):
        if (ref.id, Kind.CRASH_LOOP) in register:
            return []
        facts = [Evidence("deaths", len(deaths)), *_death(patient.info, kind, exit_code, since)]
        over = register.closed(ref.id, list(DEATHS))
        return over + ward.fail(
            patient, Kind.CRASH_LOOP, since=since, now=now, window=tuned.loop_window, evidence=facts
        )
    if not detect.stays_down(patient.info):
        return []
    facts = _death(patient.info, kind, exit_code, since)
    if reason := ward.job_reason(patient.info):
        facts.append(Evidence("job", reason))
    return ward.fail(patient, kind, since=since, now=now, evidence=facts)


def _death(info: ContainerInfo, kind: Kind, exit_code: int, since: float) -> list[Evidence]:
    evidence = [Evidence("exit_code", exit_code)]
    if kind is Kind.OOM and info.memory_limit:
        evidence.append(Evidence("memory_limit", info.memory_limit, "B"))
    if 0 < info.started_at <= since:
        evidence.append(Evidence("ran", round(since - info.started_at, 3), "s"))
    return evidence
