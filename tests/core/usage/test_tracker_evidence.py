"""What the alerts of one process tell about it."""

from hemostat.core.model import Sample
from hemostat.core.usage.findings import ResourceLimits
from hemostat.core.usage.tracker import create_tracker, interrupt_tracker
from hemostat.events import Evidence
from tests.core.usage.test_tracker import MIB, run, spinning, used


def test_cpu_alert_tells_the_life_of_the_process_before():
    """The process began 6 seconds before the first sample, and is calm for 4 more."""
    limits = ResourceLimits(cpu=0.5, memory=100 * MIB, has_cpu_limit=True)
    used_cpu = [0.3, 0.3, 0.3, 0.3, 0.3, 0.8, 1.3, 1.8]
    samples = [Sample(container_id="c", time=10.0 + t, cpu=cpu, memory=0) for t, cpu in enumerate(used_cpu)]
    _, found = run(samples, limits=limits, track=create_tracker((), 4.0))
    (time, finding), *later = found
    assert (time, finding.since, later) == (17.0, 14.0, [])
    assert finding.evidence == (
        Evidence("cpu", 100.0, "%"),
        Evidence("threshold", 85.0, "%"),
        Evidence("calm", 8.6, "s"),
        Evidence("average", 14.5, "%"),
        Evidence("cpu_limit", 0.5),
    )


def test_cpu_alert_leaves_out_what_is_unknown():
    _, found = run(spinning(4))
    assert [fact.name for fact in found[0][1].evidence] == ["cpu", "threshold", "calm"]
    assert found[0][1].evidence[-1].value == 0.0


def test_idle_time_is_the_longest_time_below_half_of_the_threshold():
    track, _ = run([Sample(container_id="c", time=float(t), cpu=0.42 * t, memory=0) for t in range(6)])
    assert (track.idle_since, track.idle_longest) == (0.0, 5.0)
    busy = [Sample(container_id="c", time=5.0 + t, cpu=2.1 + 0.5 * t, memory=0) for t in range(1, 4)]
    track, _ = run(busy, track=track)
    assert (track.idle_since, track.idle_longest) == (None, 5.0)
    calm = [Sample(container_id="c", time=8.0 + t, cpu=3.6, memory=0) for t in range(1, 4)]
    track, _ = run(calm, track=track)
    assert (track.idle_since, track.idle_longest) == (8.0, 5.0)
    assert interrupt_tracker(track).idle_longest == 5.0
    assert interrupt_tracker(track).idle_since is None


def test_throttling_alert_is_the_average_since_it_began():
    bursts = [
        Sample(container_id="c", time=float(t), cpu=0.3 * t, memory=0, periods=10 * t, throttled=throttled)
        for t, throttled in enumerate([0, 6, 14, 19, 19])
    ]
    _, found = run(bursts)
    assert [(time, finding.since) for time, finding in found] == [(3.0, 0.0)]
    assert found[0][1].evidence == (
        Evidence("throttled", 65.0, "%"),
        Evidence("threshold", 50.0, "%"),
        Evidence("cpu", 30.0, "%"),
    )


def test_alerts_on_processes_and_files_name_the_limit():
    limits = ResourceLimits(cpu=1.0, memory=0, pids=200)
    (_, pids), (_, files) = run(
        used([1] * 4, pids=185, descriptors=985, descriptors_limit=1024), limits=limits
    )[1]
    assert pids.evidence == (
        Evidence("pids", 92.5, "%"),
        Evidence("threshold", 90.0, "%"),
        Evidence("pids_limit", 200),
    )
    assert files.evidence == (
        Evidence("open_files", 96.2, "%"),
        Evidence("threshold", 90.0, "%"),
        Evidence("files_limit", 1024),
    )


def test_memory_alert_tells_what_the_memory_is():
    limits = ResourceLimits(cpu=1.0, memory=100 * MIB, memory_of="the host")
    (_, finding), *_ = run(used([92] * 8, cache=5 * MIB, pressure=1.5), limits=limits)[1]
    assert finding.evidence == (
        Evidence("memory", 92.0, "%"),
        Evidence("threshold", 80.0, "%"),
        Evidence("memory_bytes", 92 * MIB, "B"),
        Evidence("memory_limit", 100 * MIB, "B"),
        Evidence("limit_of", "the host"),
        Evidence("cache", 5 * MIB, "B"),
        Evidence("pressure", 1.5, "%"),
        Evidence("seen", 3.0, "s"),
        Evidence("manner", "steady"),
    )


def test_memory_without_cache_or_pressure_tells_neither():
    (_, finding), *_ = run(used([92] * 8))[1]
    names = [fact.name for fact in finding.evidence]
    assert names == ["memory", "threshold", "memory_bytes", "memory_limit", "seen", "manner"]
