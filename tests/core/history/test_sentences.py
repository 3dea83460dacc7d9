"""Events as people read them."""

import pytest

from hemostat.core.history.sentences import format_event_line
from hemostat.events import (
    Action,
    Container,
    Diagnosis,
    Evidence,
    FalseAlarm,
    HealthAlert,
    Kind,
    Outcome,
    Phase,
    Reason,
    Severity,
    Word,
)
from tests.support.samples import (
    DIAGNOSIS,
    NOW,
    alert,
    complete,
    decided,
    event,
    heartbeat,
    needed,
    order,
    stats,
)

FALSE_ALARM = FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS)
WHY = "; ".join(DIAGNOSIS.reasons)


def tell(data) -> str:
    return format_event_line(event(data))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (alert(), "exited with code 1"),
        (alert(phase=Phase.CLEARED), "runs again"),
        (order(), "ann@h asks for a restart (it is slow)"),
        (
            order(action=Action.SCALE, parameters={"resource": "cpu"}, force=True, reason=""),
            "ann@h asks for a higher cpu limit past the limits",
        ),
        (
            order(action=Action.SCALE, parameters={"resource": "replicas"}, reason=""),
            "ann@h asks for more replicas",
        ),
        (decided(container="web", until=None), "paused by ann@h (deploy)"),
        (decided(), "paused for 30 min 4 s, all containers, by ann@h (deploy)"),
        (
            decided(what=Word.REJECTED, container="web", until=None, action=Action.START),
            "start rejected by ann@h (deploy)",
        ),
        (needed(), f"crash, a restart should help: {WHY}"),
        (
            needed(action=Action.NONE, diagnosis=Diagnosis(cause="crash loop", confidence=0.9)),
            "crash loop, no action would help",
        ),
        (
            needed(action=Action.NONE, rung=1, diagnosis=Diagnosis(cause="leak", confidence=0.9)),
            "leak, no further action would help",
        ),
        (FALSE_ALARM, f"crash, no action needed: {WHY}"),
        (stats(), "running cpu 12.5 % memory 64.0 MiB"),
        (stats(cpu=None, memory=None), "running cpu - % memory -"),
        (heartbeat(lag=2, trouble="no Redis"), "monitor alive, lag 2, no Redis"),
    ],
)
def test_event_is_formatted_in_one_line(data, text):
    assert tell(data) == text


def end(outcome: Outcome, reason: Reason, detail: str = "", **changes) -> str:
    return tell(complete(outcome=outcome, reason=reason, detail=detail, **changes))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (tell(complete()), "restarted, healed in 3.1 s"),
        (tell(complete(kind=Kind.ORDERED)), "restarted in 3.1 s"),
        (
            tell(complete(action=Action.CLEANUP, detail="120.0 MiB freed")),
            "cleaned up, healed in 3.1 s (120.0 MiB freed)",
        ),
        (
            tell(complete(action=Action.SCALE, durations={}, detail="back: memory 96.0 MiB → 64.0 MiB")),
            "limit restored (memory 96.0 MiB → 64.0 MiB)",
        ),
        (
            end(Outcome.FAILED, Reason.NOT_VERIFIED, "its health check fails again"),
            "restart did not help: its health check fails again",
        ),
        (
            end(Outcome.FAILED, Reason.NOT_VERIFIED, "it is running", kind=Kind.ORDERED, action=Action.STOP),
            "stop failed: it is running",
        ),
        (end(Outcome.FAILED, Reason.ENGINE_ERROR, "port is taken"), "restart failed: port is taken"),
        (
            end(Outcome.FAILED, Reason.GIVEN_UP, "Redis is gone", action=Action.NONE),
            "over to you: Redis is gone",
        ),
        (
            end(Outcome.REFUSED, Reason.COOLDOWN, "for another 5 min"),
            "not restarted: cooldown for another 5 min",
        ),
        (end(Outcome.REFUSED, Reason.PAUSED, kind=Kind.ORDERED), "not restarted: paused"),
        (
            end(Outcome.EXPIRED, Reason.NO_ANSWER, "no operator approved it within 15 min"),
            "not restarted: no operator approved it within 15 min",
        ),
        (end(Outcome.NOT_APPLICABLE, Reason.RECOVERED), "not restarted: it recovered by itself"),
        (end(Outcome.DRY_RUN, Reason.DRY_RUN), "would restart it (dry run)"),
        (end(Outcome.ESCALATED, Reason.NEEDS_PERSON, action=Action.NONE), "over to you: crash"),
        (
            end(Outcome.ESCALATED, Reason.NEEDS_PERSON, action=Action.NONE, rung=1),
            f"over to you: crash; {DIAGNOSIS.reasons[-1]}",
        ),
        (
            end(Outcome.ESCALATED, Reason.NOT_VIABLE, "db, whose namespace it shares, is exited"),
            "over to you: it could not start again (db, whose namespace it shares, is exited)",
        ),
        (end(Outcome.WAITING, Reason.PAUSED, "paused by ann@h"), "waits: paused by ann@h"),
        (
            end(Outcome.AWAITING_APPROVAL, Reason.APPROVAL, "restart? hemostat approve ee9b6d"),
            "may I restart it? hemostat approve ee9b6d",
        ),
        (
            end(
                Outcome.AWAITING_APPROVAL,
                Reason.APPROVAL,
                "run sh -c 'kill 1'? hemostat approve ee9b6d",
                action=Action.EXEC,
            ),
            "may I run its command: run sh -c 'kill 1'? hemostat approve ee9b6d",
        ),
        (end(Outcome.AWAITING_APPROVAL, Reason.APPROVAL), "may I restart it?"),
    ],
)
def test_outcome_is_told_with_its_reason(line, text):
    assert line == text


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("dependency down", "waits for db to come back"),
        ("host overloaded", "waits: the host has no CPU left"),
        ("part of a storm", "waits: many containers failed at once"),
    ],
)
def test_wait_names_what_has_to_come_back(cause, text):
    diagnosis = Diagnosis(cause=cause, confidence=0.9)
    waiting = complete(
        outcome=Outcome.WAITING,
        reason=Reason.ROOT_ELSEWHERE,
        action=Action.NONE,
        diagnosis=diagnosis,
        detail="for db",
    )
    assert tell(waiting) == text
    assert text in tell(needed(action=Action.NONE, alert=alert(root="db"), diagnosis=diagnosis))


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("action", Action)
def test_no_outcome_shows_a_word_of_the_machine(outcome, action):
    for reason in Reason:
        for kind in Kind:
            text = end(outcome, reason, action=action, kind=kind)
            assert "_" not in text
            assert not text.endswith((":", " ", "()"))


def fail(kind: Kind, *facts: Evidence, **changes) -> str:
    return tell(alert(kind=kind, evidence=facts, **changes))


MEMORY = (
    Evidence("memory", 57.3, "%"),
    Evidence("threshold", 80.0, "%"),
    Evidence("memory_bytes", 28835840, "B"),
    Evidence("memory_limit", 50331648, "B"),
)
GROWTH = (Evidence("seen", 271.0, "s"), Evidence("growth", 101888.0, "B/s"), Evidence("full_in", 209.0, "s"))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            fail(Kind.EXITED, Evidence("exit_code", 7), Evidence("ran", 20.0, "s")),
            "exited with code 7 after 20 s",
        ),
        (fail(Kind.EXITED, occurrence=3), "exited (3rd time)"),
        (fail(Kind.EXITED, occurrence=2, relapsed=True), "exited again (2nd time)"),
        (fail(Kind.EXITED, occurrence=12), "exited (12th time)"),
        (
            fail(
                Kind.EXITED,
                Evidence("given_up", value=True),
                Evidence("exit_code", 1),
                Evidence("engine_says", "port is taken"),
            ),
            "exited with code 1; Docker has given up restarting it, Docker says: port is taken",
        ),
        (
            fail(Kind.EXITED, Evidence("check_action", "kill"), Evidence("exit_code", 137)),
            (
                "exited with code 137; "
                "Podman ended it because its health check failed (health-on-failure kill)"
            ),
        ),
        (
            fail(
                Kind.OOM,
                Evidence("exit_code", 137),
                Evidence("memory_limit", 33554432, "B"),
                Evidence("ran", 3.2, "s"),
            ),
            "out of memory: killed at its limit of 32.0 MiB after 3.2 s",
        ),
        (
            fail(Kind.OOM, Evidence("survived", value=True)),
            "out of memory: the kernel killed one of its processes, its main process goes on",
        ),
        (
            fail(Kind.CRASH_LOOP, Evidence("deaths", 3), Evidence("exit_code", 3), window=64.0),
            "crash loop: exited 3 times within 1 min 4 s, the last time with code 3",
        ),
        (
            fail(Kind.UNHEALTHY, Evidence("health_check", "exit code 1: no answer"), window=6.0),
            "health check has failed for 6 s: exit code 1: no answer",
        ),
        (
            fail(Kind.UNHEALTHY, Evidence("health_check", "exit code 1"), relapsed=True),
            "health check fails again: exit code 1",
        ),
        (fail(Kind.FLAPPING, Evidence("changes", 6), window=300.0), "health changed 6 times within 5 min"),
        (fail(Kind.HUNG, Evidence("probe", "connection refused")), "probe fails: connection refused"),
        (
            fail(Kind.CPU_HIGH, Evidence("cpu", 101.0, "%"), Evidence("threshold", 90.0, "%"), window=5.0),
            "CPU at 101 % for 5 s, threshold 90 %",
        ),
        (
            fail(
                Kind.CPU_THROTTLED,
                Evidence("throttled", 61.0, "%"),
                Evidence("threshold", 50.0, "%"),
                Evidence("cpu", 40.0, "%"),
                window=30.0,
            ),
            "CPU throttled 61 % of the time for 30 s, threshold 50 %, while it uses 40 % of its limit",
        ),
        (
            fail(Kind.MEMORY_HIGH, *MEMORY[:2], *GROWTH, window=10.0),
            "memory at 57.3 % for 10 s, rises by 99.5 KiB/s, full in 3 min 29 s, threshold 80 %",
        ),
        (
            fail(Kind.MEMORY_LEAK, *MEMORY, *GROWTH, window=10.0),
            "memory has risen by 99.5 KiB/s for 4 min 31 s, full in 3 min 29 s (27.5 of 48.0 MiB)",
        ),
        (
            fail(
                Kind.DISK_HIGH, Evidence("disk_bytes", 125829120, "B"), Evidence("threshold", 104857600, "B")
            ),
            "writable layer has 120.0 MiB, threshold 100.0 MiB",
        ),
        (
            fail(
                Kind.DISK_HIGH,
                Evidence("disk", 91.0, "%"),
                Evidence("threshold", 90.0, "%"),
                Evidence("disk_free", 1073741824, "B"),
            ),
            "disk is 91 % full, threshold 90 %, 1.0 GiB free",
        ),
        (
            fail(Kind.PIDS_HIGH, Evidence("pids", 91.0, "%"), Evidence("pids_limit", 100), window=10.0),
            "91 % of its 100 processes for 10 s",
        ),
        (
            fail(
                Kind.STORM,
                Evidence("storm", 9),
                Evidence("containers", "a, b and 7 more"),
                Evidence("kinds", "cpu_high 2, unhealthy 7"),
            ),
            "9 containers failed at once: a, b and 7 more (high CPU 2, health check fails 7)",
        ),
        (
            fail(Kind.UNHEALTHY, downstream=("web", "worker"), downstream_count=9),
            "health check fails; affects web, worker and 7 more",
        ),
        (
            fail(Kind.UNHEALTHY, Evidence("dependency", "db is exited"), root="db"),
            "health check fails; db is exited",
        ),
        (fail(Kind.EXITED, Evidence("some_fact", 2.0, "B/s")), "exited; some fact 2 B/s"),
    ],
)
def test_alert_is_told_with_its_facts(line, text):
    assert line == text


@pytest.mark.parametrize("kind", Kind)
def test_alert_without_facts_is_told(kind):
    container = Container(id="c1", name="web")
    bare = HealthAlert(container=container, kind=kind, severity=Severity.WARNING, since=NOW)
    assert tell(bare)
    assert "_" not in tell(bare)


def test_end_of_an_incident_names_why_it_ended():
    assert fail(Kind.UNHEALTHY, phase=Phase.CLEARED) == "health check no longer fails"
    removed = fail(Kind.UNHEALTHY, Evidence("removed", value=True), phase=Phase.CLEARED)
    assert removed == "was removed, so the incident is over"
