"""What an alert means: the design's table, row by row."""

import pytest

from hemostat.core.diagnosis.rules import HIGH_PRESSURE_PERCENT, diagnose
from hemostat.core.usage.runaway_cpu import WORK_BYTES_PER_SECOND
from hemostat.events import Action, Container, Evidence, Kind
from tests.support.samples import alert

MIB = 1 << 20


def verdict(kind: Kind, window: float = 10.0, labels: dict[str, str] | None = None, **facts):
    evidence = tuple(Evidence(name, value) for name, value in facts.items())
    container = Container(id="c", name="c", labels=labels or {})
    return diagnose(alert(kind=kind, window=window, evidence=evidence, container=container))


def memory(**facts):
    return verdict(Kind.MEMORY_HIGH, memory=85.0, memory_bytes=85 * MIB, memory_limit=100 * MIB, **facts)


LEAK = verdict(
    Kind.MEMORY_LEAK, memory=85.0, memory_bytes=85 * MIB, memory_limit=100 * MIB, growth=MIB, full_in=15.0
)


@pytest.mark.parametrize(
    ("found", "action", "cause"),
    [
        (verdict(Kind.EXITED, exit_code=1), Action.RESTART, "crash"),
        (verdict(Kind.OOM, exit_code=137, memory_limit=MIB), Action.RESTART, "out of memory"),
        (verdict(Kind.UNHEALTHY), Action.RESTART, "hung"),
        (verdict(Kind.CPU_HIGH, cpu=99.0, received=0.0), Action.NONE, "busy"),
        (verdict(Kind.CPU_HIGH, cpu=99.0, received=WORK_BYTES_PER_SECOND), Action.NONE, "saturated"),
        (verdict(Kind.CPU_HIGH, cpu=99.0), Action.NONE, "busy"),
        (memory(), None, "large but steady"),
        (memory(manner="falls_back"), None, "saw-tooth"),
        (memory(manner="steady", seen=300.0), None, "large but steady"),
        (memory(manner="too_early", seen=20.0, growth=9.0, full_in=1e6), None, "warming up"),
        (
            memory(manner="too_early", seen=120.0, growth=MIB, full_in=15.0, full_soon=True),
            Action.NONE,
            "growing memory",
        ),
        (memory(pressure=HIGH_PRESSURE_PERCENT), Action.NONE, "memory limit too tight"),
        (LEAK, Action.RESTART, "leak"),
        (verdict(Kind.CRASH_LOOP, deaths=3, exit_code=1), Action.NONE, "crash loop"),
        (verdict(Kind.OOM, survived=True), Action.NONE, "out of memory"),
        (verdict(Kind.FLAPPING, changes=6), Action.NONE, "flapping"),
        (verdict(Kind.HUNG, probe="timed out"), Action.RESTART, "hung"),
        (verdict(Kind.CPU_THROTTLED, throttled=80.0, cpu=40.0), Action.NONE, "CPU limit too tight"),
        (verdict(Kind.PIDS_HIGH, pids=95.0, pids_limit=100), Action.RESTART, "leak of processes"),
        (verdict(Kind.FD_HIGH, open_files=95.0, files_limit=1024), Action.RESTART, "leak of open files"),
        (verdict(Kind.STORM, storm=9, containers="a, b"), Action.NONE, "fault of the host or the engine"),
        (verdict(Kind.DISK_HIGH, log_bytes=2, threshold=1), Action.NONE, "log not rotated"),
        (verdict(Kind.EXITED, labels={"hemostat.job": "true"}, exit_code=1), Action.NONE, "failed job"),
        (verdict(Kind.OOM, labels={"hemostat.job": "true"}, exit_code=137), Action.NONE, "failed job"),
        (verdict(Kind.EXITED, exit_code=1, job="it must complete before app"), Action.NONE, "failed job"),
        (
            verdict(Kind.EXITED, exit_code=137, taken_down=True, engine_says="error mounting: No such file"),
            Action.RESTART,
            "missing resource",
        ),
        (verdict(Kind.EXITED, exit_code=1, engine_says="no such file"), Action.RESTART, "crash"),
        (verdict(Kind.OOM, exit_code=137, job="docker compose run started it"), Action.NONE, "failed job"),
        (verdict(Kind.UNHEALTHY, dependency="db is unhealthy", waited=900.0), Action.NONE, "dependency down"),
        (verdict(Kind.EXITED, exit_code=1, dependency="db is ill", waited=900.0), Action.RESTART, "crash"),
        (verdict(Kind.DISK_HIGH, disk_bytes=2, threshold=1), Action.NONE, "disk filling"),
        (
            verdict(Kind.DISK_HIGH, labels={"hemostat.cleanup.paths": "/tmp/x"}, disk_bytes=2, threshold=1),
            Action.CLEANUP,
            "disk filling",
        ),
    ],
)
def test_each_kind_gets_its_action_and_cause(found, action, cause):
    assert (found.action, found.diagnosis.cause) == (action, cause)
    assert 0 < found.diagnosis.confidence < 1
    assert found.diagnosis.reasons


@pytest.mark.parametrize(
    ("fact", "cause"),
    [
        (Evidence("dependency", "db is exited"), "dependency down"),
        (Evidence("host_cpu", 99.0, "%"), "host overloaded"),
        (Evidence("storm", 9), "part of a storm"),
    ],
)
def test_root_cause_elsewhere_gets_no_local_action(fact, cause):
    found = diagnose(alert(kind=Kind.UNHEALTHY, root="db", evidence=(fact,)))
    assert (found.action, found.diagnosis.cause) == (Action.NONE, cause)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ORDERED])
def test_every_kind_has_a_rule(kind):
    assert diagnose(alert(kind=kind)).diagnosis.cause


def test_signal_is_named_in_the_diagnosis():
    assert "killed by signal 11" in verdict(Kind.EXITED, exit_code=139).diagnosis.reasons[0]


def test_leak_diagnosis_has_the_remaining_time():
    assert LEAK.diagnosis.reasons[1] == "growing by 1.0 MiB/s, full in 15 s"


def test_evidence_of_a_wrong_type_is_tolerated():
    assert verdict(Kind.EXITED, exit_code="one").action is Action.RESTART


def test_unknown_memory_growth_is_not_denied():
    unknown = memory(manner="unknown", seen=12.0).diagnosis
    assert unknown.reasons[-1] == "observed for 12 s, too short to tell whether it grows"
    young = memory(manner="too_early", seen=120.0, growth=98.0 * 1024, full_in=87.0, full_soon=True)
    assert young.diagnosis.reasons[1:] == (
        "growing by 98.0 KiB/s in the 2 min of observation, full in 1 min 27 s",
        "observed too briefly to call it a leak",
    )


def test_memory_diagnosis_names_the_owner_of_the_limit():
    assert "the limit of its slice /foo" in memory(limit_of="its slice /foo").diagnosis.reasons[0]
