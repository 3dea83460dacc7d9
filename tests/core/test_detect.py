"""What counts as a failure, and what does not."""

import pytest

from hemostat.core.detect import (
    INTENT_LASTS,
    Gauge,
    cpu_percent,
    failure,
    intended,
    looping,
    missed_failure,
    read_gauge,
    share,
    stays_down,
)
from hemostat.core.model import ContainerInfo, EngineEvent, Sample
from hemostat.core.thresholds import Thresholds
from hemostat.events import Kind, Phase
from tests.samples import NOW, WEB


def dead(**fields) -> ContainerInfo:
    plain = {"ref": WEB, "status": "exited", "exit_code": 1, "finished_at": NOW}
    return ContainerInfo(**{**plain, **fields})


def kill(signal: int | None) -> EngineEvent:
    return EngineEvent(time=NOW, action="kill", container=WEB, signal=signal)


@pytest.mark.parametrize(
    ("info", "exit_code", "asked_at", "kind"),
    [
        (dead(), 1, None, Kind.EXITED),
        (dead(), 139, None, Kind.EXITED),
        (dead(), 137, None, Kind.EXITED),
        (dead(oom_killed=True), 137, None, Kind.OOM),
        (dead(), 0, None, None),
        (dead(), 137, NOW - 1, None),
        (dead(), 143, NOW - 30, None),
        (dead(), 1, NOW - INTENT_LASTS - 1, Kind.EXITED),
        (dead(restart_policy="always"), 1, None, Kind.EXITED),
    ],
)
def test_a_death_is_a_failure_only_if_nobody_wanted_it(info, exit_code, asked_at, kind):
    assert failure(info, exit_code, asked_at=asked_at, died_at=NOW) is kind


@pytest.mark.parametrize(
    ("info", "down"),
    [
        (dead(), True),
        (dead(status="dead"), True),
        (dead(status="running"), False),
        (dead(status="restarting"), False),
        (dead(restart_policy="always"), False),
        (dead(restart_policy="unless-stopped"), False),
        (dead(restart_policy="on-failure"), False),
        (dead(restart_policy="on-failure", max_retries=3, restart_count=2), False),
        (dead(restart_policy="on-failure", max_retries=3, restart_count=3), True),
        (dead(auto_remove=True), False),
    ],
)
def test_it_stays_down_unless_docker_or_a_person_starts_it(info, down):
    assert stays_down(info) is down


@pytest.mark.parametrize(
    ("ages", "loop"),
    [((1, 2, 3), True), ((1, 2), False), ((1, 2, 400), False), ((299, 299, 299), True), ((), False)],
)
def test_three_deaths_in_five_minutes_are_a_crash_loop(ages, loop):
    assert looping([NOW - age for age in ages], Thresholds(), NOW) is loop


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (dead(), Kind.EXITED),
        (dead(exit_code=137, oom_killed=True), Kind.OOM),
        (dead(exit_code=137), None),
        (dead(exit_code=143), None),
        (dead(exit_code=0), None),
        (dead(finished_at=NOW - 100), None),
        (dead(restart_policy="always"), None),
        (dead(status="running"), None),
    ],
)
def test_a_death_that_nobody_saw_is_given_the_benefit_of_the_doubt(info, kind):
    assert missed_failure(info, seen_until=NOW - 10) is kind


@pytest.mark.parametrize(
    ("signal", "asked"), [(15, True), (9, True), (2, True), (None, True), (1, False), (10, False)]
)
def test_only_a_signal_that_ends_a_container_is_a_wish(signal, asked):
    assert intended(kill(signal), None) is asked


def test_the_signal_that_its_image_asks_for_ends_a_container_too():
    assert intended(kill(10), 10)


def readings(values, *, window: float = 10.0, threshold: float = 80.0) -> list[tuple[int, Phase]]:
    """The transitions of a gauge that is read once a second: at which second, and what."""
    gauge, found = Gauge(), []
    for second, value in enumerate(values, start=1):
        gauge, phase = read_gauge(gauge, value, threshold, window=window, begun=second - 1, now=second)
        if phase is not None:
            found.append((second, phase))
    return found


def test_a_threshold_must_hold_for_the_whole_window():
    assert readings([90] * 9) == []
    assert readings([90] * 12) == [(10, Phase.RAISED)]
    assert readings([90] * 9 + [10] + [90] * 9) == []


def test_it_is_over_only_when_well_below_for_as_long():
    assert readings([90] * 10 + [75] * 60) == [(10, Phase.RAISED)]
    assert readings([90] * 10 + [71] * 10) == [(10, Phase.RAISED), (20, Phase.CLEARED)]
    assert readings([90] * 10 + [71] * 9 + [90] + [71] * 9) == [(10, Phase.RAISED)]


def sample(time: float, cpu: float) -> Sample:
    return Sample(container_id="c", time=time, cpu=cpu, memory=0)


def test_cpu_is_told_in_dockers_convention():
    assert cpu_percent(sample(0, 1.0), sample(2, 4.0)) == 150.0


@pytest.mark.parametrize("after", [sample(0, 2.0), sample(-1, 2.0), sample(1, 0.5)])
def test_samples_that_cannot_be_compared_give_no_number(after):
    assert cpu_percent(sample(0, 1.0), after) is None


def test_the_share_is_of_the_limit_if_there_is_one():
    assert (share(50.0, 0.5), share(50.0, None)) == (100.0, 50.0)
