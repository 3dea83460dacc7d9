"""What a health check's output says: of the service, or that the check cannot be run."""

import pytest

from hemostat.core.detection.healthcheck_output import (
    build_check_evidence,
    has_always_failed,
    is_unrunnable,
)
from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.model import ContainerInfo, HealthCheck
from hemostat.events import Action, Evidence, Kind
from tests.support.samples import NOW, WEB, alert


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (127, "/bin/sh: curl: not found"),
        (127, ""),
        (126, "/bin/sh: /check: Permission denied"),
        (1, "/bin/sh: 1: curl: not found"),
        (1, "bash: line 1: wget: command not found"),
        (-1, 'exec: "curl": executable file not found in $PATH: unknown'),
        (-1, 'OCI runtime exec failed: exec failed: unable to start container process: exec: "/c"'),
        (-1, 'exec: "/check": permission denied: unknown'),
        (-1, "exec /check: exec format error"),
    ],
)
def test_check_that_cannot_run_is_recognised(code, output):
    assert is_unrunnable(code, output)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (None, ""),
        (0, "/bin/sh: curl: not found"),
        (1, ""),
        (1, "wget: server returned error: HTTP/1.1 404 Not Found"),
        (1, "GET /check: page not found"),
        (1, "cat: can't open '/tmp/ready': No such file or directory"),
        (7, "curl: (7) Failed to connect to localhost port 80: Connection refused"),
        (-1, "Health check exceeded timeout (5s)"),
        (-1, "OCI runtime exec failed: exec failed: fork/exec: resource temporarily unavailable"),
        (126, "sh: can't fork: Resource temporarily unavailable"),
        (-1, "cannot exec in a stopped state: unknown"),
    ],
)
def test_check_that_runs_and_fails_is_recognised(code, output):
    assert not is_unrunnable(code, output)


def info(**fields) -> ContainerInfo:
    check = fields.pop("check", HealthCheck(interval=2.0, timeout=5.0, retries=2))
    return ContainerInfo(ref=WEB, status="running", check=check, **fields)


@pytest.mark.parametrize(("streak", "always"), [(290, True), (2000, True), (20, False), (1, False)])
def test_failing_streak_shows_whether_it_ever_passed(streak, always):
    seen = info(started_at=NOW, checked_at=NOW + 620, failing_streak=streak)
    assert has_always_failed(seen) is always


def test_output_of_the_check_is_masked():
    said = info(check_exit_code=127, health_output="sh: curl: not found\npassword=hunter2")
    told = list(build_check_evidence(said, never_passed=True))
    assert told[1:] == [Evidence("cannot_run", value=True), Evidence("never_passed", value=True)]
    assert "exit code 127: sh: curl: not found" in told[0].value
    assert "hunter2" not in told[0].value
    assert list(build_check_evidence(info(), never_passed=False)) == []


def ill(*facts: str):
    named = [Evidence(fact, value=True) for fact in facts]
    return alert(kind=Kind.UNHEALTHY, evidence=(Evidence("health_check", "exit code 127"), *named))


def test_incurable_check_is_escalated_with_its_output():
    verdict = diagnose(ill("cannot_run", "never_passed"))
    assert (verdict.action, verdict.diagnosis.cause) == (Action.NONE, "health check cannot run")
    assert "exit code 127" in verdict.diagnosis.reasons[0]


@pytest.mark.parametrize("facts", [("never_passed",), ("cannot_run",), ()])
def test_check_that_passed_or_runs_may_be_cured(facts):
    """Its command may have been there before: what is full or gone since, a restart may bring back."""
    assert diagnose(ill(*facts)).action is Action.RESTART


def test_unreachable_probe_is_no_reason_to_restart():
    facts = (Evidence("probe", "no route to host"), Evidence("never_reached", value=True))
    verdict = diagnose(alert(kind=Kind.HUNG, evidence=facts))
    assert (verdict.action, verdict.diagnosis.cause) == (Action.NONE, "not reachable from here")
