"""One process under the samples."""

from hemostat.core.detect import Thresholds
from hemostat.core.model import Sample
from hemostat.core.track import Limits, Track, begin, busy, observe
from hemostat.events import Kind, Phase

MIB = 1 << 20
LIMITS = Limits(cpu=1.0, memory=100 * MIB)
TUNED = Thresholds(window=3.0)


def run(samples, *, limits: Limits = LIMITS, track: Track | None = None):
    """The track after the samples, and every finding on the way with the time it was made."""
    track, found = track or Track(), []
    for each in samples:
        reading = observe(track, each, limits, TUNED)
        track = reading.track
        found += [(each.time, finding) for finding in reading.findings]
    return track, found


def spinning(seconds: int, *, cores: float = 1.0, received: int | None = None):
    return [
        Sample(container_id="c", time=float(t), cpu=cores * t, memory=MIB, received=received)
        for t in range(seconds + 1)
    ]


def filling(seconds: int, *, start: int, growth: int):
    return [
        Sample(container_id="c", time=float(t), cpu=0.0, memory=(start + growth * t) * MIB)
        for t in range(seconds + 1)
    ]


def test_sustained_cpu_is_found_once_when_its_window_is_over():
    _, found = run(spinning(10))
    assert [(time, finding.kind, finding.phase) for time, finding in found] == [
        (3.0, Kind.CPU_HIGH, Phase.RAISED)
    ]


def test_it_began_when_the_first_high_value_began():
    _, found = run(spinning(10))
    assert found[0][1].since == 0.0


def test_cpu_is_measured_against_the_containers_own_limit():
    assert run(spinning(10, cores=0.5))[1] == []
    assert run(spinning(10, cores=0.5), limits=Limits(cpu=0.5, memory=MIB * 100))[1]


def test_the_rate_of_arriving_work_is_evidence_where_it_is_known():
    samples = [
        Sample(container_id="c", time=float(t), cpu=float(t), memory=MIB, received=1000 * t) for t in range(6)
    ]
    facts = {item.name: item.value for item in run(samples)[1][0][1].evidence}
    assert facts["received"] == 1000.0
    unknown = {item.name for item in run(spinning(6))[1][0][1].evidence}
    assert "received" not in unknown


def test_memory_is_told_with_its_growth():
    _, found = run(filling(6, start=81, growth=2))
    facts = {item.name: item.value for item in found[0][1].evidence}
    assert found[0][1].kind is Kind.MEMORY_HIGH
    assert facts["growth"] == 2 * MIB
    assert facts["memory_limit"] == 100 * MIB


def test_what_was_alerted_before_is_not_alerted_again_and_can_end():
    again = begin({Kind.CPU_HIGH, Kind.EXITED})
    assert run(spinning(10), track=again)[1] == []
    _, found = run(spinning(10, cores=0.0), track=again)
    assert [finding.phase for _, finding in found] == [Phase.CLEARED]


def test_counters_that_went_back_are_a_new_process_and_no_finding():
    track, _ = run(spinning(2))
    reading = observe(track, Sample(container_id="c", time=3.0, cpu=0.1, memory=0), LIMITS, TUNED)
    assert (reading.cpu, reading.findings) == (None, ())


def test_only_a_busy_container_is_asked_what_it_received():
    track, _ = run(spinning(1))
    hot = Sample(container_id="c", time=2.0, cpu=2.0, memory=0)
    cool = Sample(container_id="c", time=2.0, cpu=1.1, memory=0)
    assert busy(track, hot, LIMITS, TUNED)
    assert not busy(track, cool, LIMITS, TUNED)
    assert not busy(Track(), hot, LIMITS, TUNED)


def test_calm_is_neither_high_nor_on_its_way():
    track, _ = run(spinning(1))
    assert not track.calm(Kind.CPU_HIGH)
    assert run(spinning(5, cores=0.0))[0].calm(Kind.CPU_HIGH)
