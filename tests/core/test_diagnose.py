"""What an alert means: the design's table, row by row."""

import pytest

from hemostat.core.diagnose import FLAT, WORK, diagnose
from hemostat.events import Action, Container, Evidence, Kind
from tests.samples import alert

MIB = 1 << 20


def verdict(kind: Kind, window: float = 10.0, labels: dict[str, str] | None = None, **facts):
    evidence = tuple(Evidence(name, value) for name, value in facts.items())
    container = Container(id="c", name="c", labels=labels or {})
    return diagnose(alert(kind=kind, window=window, evidence=evidence, container=container))


def memory(growth: float):
    return verdict(
        Kind.MEMORY_HIGH, memory=85.0, memory_bytes=85 * MIB, memory_limit=100 * MIB, growth=growth
    )


@pytest.mark.parametrize(
    ("found", "action", "cause"),
    [
        (verdict(Kind.EXITED, exit_code=1), Action.RESTART, "crash"),
        (verdict(Kind.OOM, exit_code=137, memory_limit=MIB), Action.RESTART, "out of memory"),
        (verdict(Kind.UNHEALTHY), Action.RESTART, "hung"),
        (verdict(Kind.CPU_HIGH, cpu=99.0, received=0.0), Action.RESTART, "runaway"),
        (verdict(Kind.CPU_HIGH, cpu=99.0, received=WORK), Action.NONE, "saturated"),
        (verdict(Kind.CPU_HIGH, cpu=99.0), Action.NONE, "busy"),
        (memory(0.0), None, "large but steady"),
        (memory(-5.0 * MIB), None, "large but steady"),
        (memory(1.0 * MIB), Action.RESTART, "leak"),
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


def test_memory_is_flat_up_to_a_hundredth_of_the_limit_over_the_window():
    limit = FLAT * 100 * MIB / 10
    assert memory(limit * 0.99).action is None
    assert memory(limit * 1.01).action is Action.RESTART


def test_a_signal_is_named():
    assert "killed by signal 11" in verdict(Kind.EXITED, exit_code=139).diagnosis.reasons[0]


def test_a_leak_is_told_with_the_time_that_is_left():
    assert "full in 15 s" in memory(1.0 * MIB).diagnosis.reasons[1]


def test_evidence_of_a_wrong_type_does_not_stop_the_diagnosis():
    assert verdict(Kind.EXITED, exit_code="one").action is Action.RESTART
