"""A loop is distinguished from work and from computations by what the processes do."""

import msgspec
import pytest

from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.model import Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits
from hemostat.core.usage.process_activity import Activity, Thread, compare_activity
from hemostat.core.usage.runaway_cpu import WORK_BYTES_PER_SECOND, describe_file_work
from hemostat.core.usage.tracker import (
    UsageTracker,
    create_tracker,
    interrupt_tracker,
    observe,
    should_read_activity,
)
from hemostat.events import Action, Container, Evidence, Kind
from tests.support.samples import alert

SECONDS = 10.0
KIB, MIB = 1 << 10, 1 << 20
LIMITS = ResourceLimits(cpu=1.0, memory=100 * MIB, has_cpu_limit=True)
TUNED = MonitorSettings(window=10.0)


def thread(number: int = 1, cpu: float = 0.0, system: float = 0.0, switches: float = 0, **fields) -> Thread:
    """With so much CPU a second, in all, of which `system` is a share."""
    user = cpu * (1 - system) * SECONDS
    return Thread(number, number, 1, user, cpu * system * SECONDS, round(switches * SECONDS), **fields)


def doing(*threads: Thread, cpu: float | None = None, **rates: float) -> tuple[Activity, Activity]:
    """Readings before and after SECONDS in which the threads have done this. Rates are a second; what was
    moved and the page faults are the first thread's."""
    numbers = [each.process for each in threads]
    nothing = dict.fromkeys(numbers, 0)
    by_process = {
        name: {**nothing, numbers[0]: round(rates.pop(name, 0) * SECONDS)} for name in ("moved", "faults")
    }
    counters = {name: round(rates.get(name, 0) * SECONDS) for name in ("received", "sent", "local", "block")}
    begun = tuple(Thread(each.process, each.thread, each.begun, 0.0, 0.0, 0) for each in threads)
    used = sum(each.user + each.system for each in threads) if cpu is None else cpu * SECONDS
    zero = dict.fromkeys(counters, 0)
    before = Activity(time=0.0, cpu=0.0, moved=nothing, faults=nothing, threads=begun, **zero)
    return before, Activity(time=SECONDS, cpu=used, threads=threads, **by_process, **counters)


def judged(readings: tuple[Activity, Activity] | None, labels: dict[str, str] | None = None, **before):
    """The diagnosis after 10 minutes of this life, by default calm ones."""
    facts = {"calm": 600.0, "average": 1.0, "cpu": 99.0, "threshold": 85.0, "cpu_limit": 1.0} | before
    evidence = (
        *(item for item in _items(facts)),
        *(compare_activity(*readings) if readings else ()),
    )
    container = Container(id="c", name="c", labels=labels or {})
    return diagnose(alert(kind=Kind.CPU_HIGH, window=10.0, evidence=evidence, container=container))


def _items(facts):
    from hemostat.events import Evidence

    return [Evidence(name, value) for name, value in facts.items() if value is not None]


SPIN = thread(7, cpu=1.0)
LOOPS = {
    "a loop in the main process": doing(SPIN),
    "a loop in a child, beside a shell that sleeps": doing(
        thread(1, cpu=0.02, switches=20), SPIN, moved=4200, faults=600
    ),
    "a loop under a quota": doing(thread(1, cpu=0.2)),
    "a loop that asks for the time": doing(thread(1, cpu=1.0, system=0.02)),
    "two threads in a loop": doing(thread(1, cpu=1.0), thread(2, cpu=1.0)),
    "a loop beside health checks": doing(SPIN, sent=90, received=120, local=300, moved=800),
}
WORK = {
    "gzip of a volume": doing(thread(3, cpu=0.5, system=0.05), moved=20 * MIB),
    "a copy within the page cache": doing(thread(3, cpu=1.0, system=0.9), moved=2000 * MIB),
    "an encoder that reads a little": doing(thread(3, cpu=1.0), moved=40 * KIB, block=8 * KIB),
    "a worker that reads a list of words": doing(thread(3, cpu=1.0), moved=1500),
    "a loop beside a process that reads files": doing(thread(1, cpu=0.05), SPIN, moved=90 * KIB),
    "a worker on a pipe": doing(thread(3, cpu=1.0, switches=40), moved=6 * KIB),
    "a worker on a socket of datagrams": doing(thread(3, cpu=0.9, system=0.2, switches=2)),
    "a server behind a loopback interface": doing(thread(3, cpu=1.0, system=0.3), local=3 * MIB),
    "a server that answers": doing(thread(3, cpu=1.0), sent=5 * MIB, received=90 * KIB),
    "a loop beside workers that serve": doing(SPIN, received=3000, sent=9000),
    "a file searched by mapping it": doing(thread(3, cpu=1.0), faults=4000),
    "a heap that is collected by many threads": doing(*(thread(n, cpu=0.25, switches=30) for n in range(8))),
    "a compiler started by cron": doing(thread(9, cpu=0.3, is_job=True), cpu=1.0, moved=5 * MIB, faults=9000),
    "a computation started by cron": doing(thread(9, cpu=1.0, is_job=True)),
    "a loop that yields": doing(thread(3, cpu=1.0, system=0.7)),
    "a loop in the kernel": doing(thread(3, cpu=1.0, system=1.0)),
    "a loop that polls with short sleeps": doing(thread(3, cpu=0.9, system=0.3, switches=9000)),
    "processes of a moment, one after another": doing(thread(1, cpu=0.3, system=0.6), cpu=1.0),
    "a computation on all cores": doing(*(thread(n, cpu=1.0) for n in range(16))),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loop_in_a_calm_process_is_restarted(name):
    found = judged(LOOPS[name])
    assert (found.action, found.diagnosis.cause) == (Action.RESTART, "runaway")


@pytest.mark.parametrize("name", WORK)
def test_work_and_uncertain_load_are_not_restarted(name):
    assert judged(WORK[name]).action is Action.NONE


@pytest.mark.parametrize("name", LOOPS)
def test_cpu_that_was_never_low_is_a_computation(name):
    found = judged(LOOPS[name], calm=0.0, average=97.0)
    assert (found.action, found.diagnosis.cause) == (Action.NONE, "computation")


def test_unknown_past_is_uncertain():
    found = judged(doing(SPIN), calm=0.0, average=None)
    assert (found.action, found.diagnosis.cause, found.diagnosis.confidence) == (Action.NONE, "busy", 0.5)
    assert "no calm period observed since the process started" in found.diagnosis.reasons


@pytest.mark.parametrize(
    "unknown", ["received", "sent", "local", "block", "moved", "faults", "threads", "cpu"]
)
def test_unknown_values_are_no_evidence_of_a_loop(unknown):
    before, after = doing(SPIN)
    found = judged((_without(before, unknown), _without(after, unknown)))
    assert found.action is Action.NONE
    assert any(reason.startswith("unknown: ") for reason in found.diagnosis.reasons)


def _without(reading: Activity, name: str) -> Activity:
    import msgspec

    return msgspec.structs.replace(reading, **{name: None})


@pytest.mark.parametrize(
    ("wanted", "readings", "action"),
    [
        ("restart", WORK["gzip of a volume"], Action.RESTART),
        ("restart", None, Action.RESTART),
        ("none", doing(SPIN), Action.NONE),
        ("rubbish", doing(SPIN), Action.RESTART),
        ("rubbish", None, Action.NONE),
    ],
)
def test_label_selects_the_action_on_high_cpu(wanted, readings, action):
    assert judged(readings, labels={"hemostat.cpu.action": wanted}).action is action


def test_work_without_a_limit_is_not_critical():
    assert judged(WORK["gzip of a volume"], cpu_limit=None).action is None
    assert judged(doing(SPIN), calm=0.0, average=97.0, cpu_limit=None).action is None
    assert judged(doing(SPIN), cpu_limit=None).action is Action.RESTART


def test_reasons_name_the_evidence():
    reasons = judged(WORK["gzip of a volume"]).diagnosis.reasons
    assert "it reads and writes 20.0 MiB/s" in reasons
    waits = judged(doing(thread(3, cpu=1.0, switches=40))).diagnosis.reasons
    assert "its threads wait 40 times a second" in waits


# --- what is measured of a process ------------------------------------------------------------------


def samples(*shares: float, start: float = 0.0, used: float = 0.0) -> list[Sample]:
    """One a second, with these shares of a core between them."""
    found = [Sample(container_id="c", time=start, cpu=used, memory=MIB)]
    for share in shares:
        last = found[-1]
        found.append(Sample(container_id="c", time=last.time + 1, cpu=last.cpu + share, memory=MIB))
    return found


def facts(series: list[Sample], track: UsageTracker) -> dict[str, object]:
    """Of the first alert; a spin is what the processes did wherever they were asked."""
    for sample in series:
        asked = should_read_activity(track, sample, LIMITS, TUNED)
        told = Activity(time=sample.time, cpu=sample.cpu, threads=(Thread(1, 1, 1, sample.cpu, 0.0, 0),))
        reading = observe(track, sample, LIMITS, TUNED, told if asked else None)
        track = reading.tracker
        if reading.findings:
            return {item.name: item.value for item in reading.findings[0].evidence}
    return {}


def test_observed_calm_is_evidence():
    found = facts(samples(*[0.1] * 30, *[1.0] * 12), UsageTracker())
    assert found["calm"] == 30.0
    assert (found["hot_threads"], found["user_time"]) == (1, 100.0)


def test_earlier_calm_is_derived_from_total_cpu():
    found = facts(samples(*[1.0] * 12, start=3600.0, used=40.0), create_tracker((), started_at=1.0))
    assert found["calm"] > 3400
    found = facts(samples(*[1.0] * 12, start=3600.0, used=3500.0), create_tracker((), started_at=1.0))
    assert (found["calm"], found["average"]) == (0.0, pytest.approx(97.2, abs=0.1))


def test_calm_of_an_earlier_process_does_not_count():
    track = UsageTracker()
    for sample in samples(*[0.1] * 30):
        track = observe(track, sample, LIMITS, TUNED).tracker
    assert facts(samples(*[1.0] * 12, start=100.0), create_tracker((), started_at=100.0))["calm"] == 0.0
    assert interrupt_tracker(track).idle_longest == 30.0


def test_processes_are_read_at_most_twice_while_cpu_is_high():
    track, asked = UsageTracker(), []
    for sample in samples(*[0.1] * 30, *[1.0] * 60, *[0.0] * 5):
        if should_read_activity(track, sample, LIMITS, TUNED):
            asked.append(sample.time)
        track = observe(track, sample, LIMITS, TUNED, Activity(time=sample.time)).tracker
    assert asked == [31.0, 40.0]


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_process_that_always_worked_is_not_calm(share):
    found = facts(samples(*[share] * 60, *[1.0] * 12), create_tracker((), started_at=-1.0 + 1e-9))
    assert found["calm"] == 0.0


def test_counter_that_one_reading_lacks_is_no_evidence():
    """Another user's processes, for example, cannot be read after their user was changed."""
    with_counters = Activity(time=0.0, cpu=0.0, received=10, sent=10, moved={1: 10}, threads=(SPIN,))
    without = Activity(time=10.0, cpu=1.0)
    assert compare_activity(with_counters, without) == ()
    assert compare_activity(msgspec.structs.replace(without, time=-10.0), with_counters) == ()


@pytest.mark.parametrize(
    ("rate", "is_work"), [(WORK_BYTES_PER_SECOND, True), (WORK_BYTES_PER_SECOND - 1, False)]
)
def test_file_work_explains_cpu_from_the_least_rate_of_work_on(rate, is_work):
    found = alert(kind=Kind.CPU_HIGH, evidence=(Evidence("read_write", float(rate), "B/s"),))
    assert bool(describe_file_work(found)) == is_work
