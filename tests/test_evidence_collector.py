"""The collector: what can be had is in the dossier, what cannot be is named, and nobody waits for long."""

import threading

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.errors import BusError, EngineError
from hemostat.events import Container
from hemostat.evidence_collector import TIMED_OUT, collect_snapshot
from hemostat.ports import ContainerSpec
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, needed

PATIENT = 20.0


@pytest.fixture
def engine():
    return InMemoryEngine(FakeClock())


def run(engine, **fields):
    spec = ContainerSpec(name="web", image="busybox", command=("serve",), labels={}, **fields)
    container = engine.run(spec)
    engine.write(container, log="password=hunter2\nout of cheese\n")
    return container


def look(engine, container, patience=PATIENT, **options):
    found = engine.inspect(container)
    return collect_snapshot(
        engine, needed(alert=alert(container=found.ref)), found, NOW, patience=patience, **options
    )


def test_dead_container_has_log_and_configuration(engine):
    container = run(engine, environment={"API_KEY": "abc", "MODE": "fast"})
    engine.crash(container)
    kept = look(engine, container)
    assert kept.log == "password=[redacted: password]\nout of cheese\n"
    assert kept.details.environment == {"API_KEY": "[redacted: key]", "MODE": "fast"}
    assert (kept.state.status, kept.processes, kept.missing) == ("exited", (), {})


def test_running_container_has_processes_and_measurements(engine):
    container = run(engine)
    kept = look(engine, container, read_metrics=lambda _: [MetricPoint(NOW, 97.0, 1 << 20)])
    assert (kept.processes, kept.samples) == (("serve",), (MetricPoint(NOW, 97.0, 1 << 20),))


def test_failing_source_is_named(engine):
    container = run(engine)
    found = engine.inspect(container)
    engine.fail(EngineError("the disk is full"))

    def recent(_):
        raise BusError("Redis is away")

    kept = collect_snapshot(
        engine, needed(alert=alert(container=found.ref)), found, NOW, patience=PATIENT, read_metrics=recent
    )
    full = "the disk is full"
    assert kept.missing == {"log": full, "details": full, "processes": full, "samples": "Redis is away"}
    assert kept.state == found.state


def test_exception_in_a_source_is_named(engine):
    kept = look(engine, run(engine), read_metrics=lambda _: 1 / 0)
    assert kept.missing == {"samples": "ZeroDivisionError"}


def test_hanging_source_is_left_out(engine):
    release = threading.Event()

    def recent(_):
        release.wait(PATIENT)
        return []

    kept = look(engine, run(engine), patience=0.2, read_metrics=recent)
    release.set()
    assert kept.missing["samples"] == TIMED_OUT


def test_removed_container_has_only_the_alert(engine):
    gone = Container(id="c9", name="gone")
    kept = collect_snapshot(engine, needed(alert=alert(container=gone)), None, NOW, patience=PATIENT)
    assert (kept.state, kept.log, kept.missing) == (None, "", {})
    assert kept.evidence == alert().evidence
