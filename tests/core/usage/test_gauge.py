"""What counts as a failure, and what does not."""

import pytest

from hemostat.core.detection.exits import (
    classify_exit,
    classify_missed_exit,
    has_failed_before,
    is_crash_loop,
    stays_down,
)
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.gauge import Gauge, compute_cpu_percent, compute_share, update_gauge
from hemostat.events import Container, Kind, Phase
from tests.support.samples import NOW, WEB

WEB_TASK = Container(id="t", name="web.1.x", labels={"com.docker.swarm.task.name": "web.1.x"})
WEB_JOB = Container(id="j", name="job", labels={"hemostat.job": "true"})


def dead(**fields) -> ContainerInfo:
    plain = {"ref": WEB, "status": "exited", "exit_code": 1, "finished_at": NOW}
    return ContainerInfo(**{**plain, **fields})


@pytest.mark.parametrize(
    ("exit_code", "oom", "kind"),
    [(1, False, Kind.EXITED), (137, False, Kind.EXITED), (137, True, Kind.OOM), (3, True, Kind.EXITED)],
)
def test_only_a_kernel_kill_of_this_run_is_an_oom(exit_code, oom, kind):
    assert classify_exit(exit_code, oom=oom) is kind


@pytest.mark.parametrize(
    ("info", "down"),
    [
        (dead(), True),
        (dead(status="dead"), True),
        (dead(status="running"), False),
        (dead(status="restarting"), False),
        (dead(restart_policy="always"), True),
        (dead(auto_remove=True), False),
    ],
)
def test_exited_container_without_removal_is_down(info, down):
    assert stays_down(info) is down


@pytest.mark.parametrize(
    ("ages", "loop"),
    [
        ((1, 2, 3), True),
        ((1, 2), False),
        ((1, 2, 400), False),
        ((299, 299, 299), True),
        ((1, 2, 300), False),
        ((), False),
    ],
)
def test_three_deaths_in_five_minutes_are_a_crash_loop(ages, loop):
    assert is_crash_loop([NOW - age for age in ages], MonitorSettings(), NOW) is loop


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (dead(), Kind.EXITED),
        (dead(exit_code=137, oom_killed=True), Kind.OOM),
        (dead(exit_code=137), None),
        (dead(exit_code=143), None),
        (dead(exit_code=0), None),
        (dead(exit_code=1, oom_killed=True), Kind.EXITED),
        (dead(finished_at=NOW - 10), None),
        (dead(finished_at=NOW - 9.9), Kind.EXITED),
        (dead(restart_policy="always"), None),
        (dead(status="running"), None),
    ],
)
def test_unseen_death_with_a_stop_code_raises_no_alert(info, kind):
    assert classify_missed_exit(info, seen_until=NOW - 10) is kind


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (dead(finished_at=NOW - 3600), True),
        (dead(finished_at=NOW - 24 * 3600), False),
        (dead(finished_at=NOW - 24 * 3600 + 1), True),
        (dead(finished_at=NOW + 1), False),
        (dead(exit_code=137), False),
        (dead(exit_code=0), False),
        (dead(exit_code=0, error="no such mount"), True),
        (dead(status="created"), False),
        (dead(status="restarting"), False),
        (dead(ref=WEB_TASK), False),
        (dead(ref=WEB_JOB), False),
    ],
)
def test_death_before_the_first_list_needs_a_failure_code(info, told):
    assert has_failed_before(info, NOW) is told


def readings(values, *, window: float = 10.0, threshold: float = 80.0) -> list[tuple[int, Phase]]:
    """The transitions of a gauge that is read once a second: at which second, and what."""
    gauge, found = Gauge(), []
    for second, value in enumerate(values, start=1):
        gauge, phase = update_gauge(
            gauge, value, threshold, window=window, interval_start=second - 1, now=second
        )
        if phase is not None:
            found.append((second, phase))
    return found


def test_threshold_must_be_exceeded_for_the_whole_window():
    assert readings([90] * 9) == []
    assert readings([90] * 12) == [(10, Phase.RAISED)]
    assert readings([90] * 9 + [10] + [90] * 9) == []


def test_alert_clears_after_a_window_well_below():
    assert readings([90] * 10 + [75] * 60) == [(10, Phase.RAISED)]
    assert readings([90] * 10 + [71] * 10) == [(10, Phase.RAISED), (20, Phase.CLEARED)]
    assert readings([90] * 10 + [71] * 9 + [90] + [71] * 9) == [(10, Phase.RAISED)]


@pytest.mark.parametrize(("value", "changes"), [(80.0, [(10, Phase.RAISED)]), (79.9, [])])
def test_value_at_the_threshold_is_too_high(value, changes):
    assert readings([value] * 10) == changes


@pytest.mark.parametrize(("value", "is_over"), [(90.0, False), (89.9, True)])
def test_value_clears_only_below_the_release_share(value, is_over):
    assert (readings([100] * 10 + [value] * 10, threshold=100.0)[1:] != []) is is_over


def read_spans(*spans: tuple[float, float], window: float = 3.0) -> list[Phase | None]:
    """The transitions of high values measured from one time to another."""
    gauge, found = Gauge(), []
    for begin, end in spans:
        gauge, phase = update_gauge(gauge, 90.0, 80.0, window=window, interval_start=begin, now=end)
        found.append(phase)
    return found


def test_value_after_a_gap_does_not_stand_for_the_gap():
    assert read_spans((0, 5)) == [Phase.RAISED]
    assert read_spans((0, 5.1)) == [None]
    assert read_spans((0, 9), window=9.0) == [Phase.RAISED]
    assert read_spans((0, 9.1), window=9.0) == [None]


def test_window_begins_again_when_the_clock_was_set_back():
    assert read_spans((10, 12), (10, 13)) == [None, Phase.RAISED]
    assert read_spans((10, 12), (9, 11.5), (11.5, 13)) == [None, None, Phase.RAISED]
    assert read_spans((10, 12), (8, 10), (10, 10.9)) == [None, None, None]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_value_that_is_not_finite_changes_no_gauge(value):
    gauge = Gauge(raised=False, since=4.0)
    assert update_gauge(gauge, value, 80.0, window=1.0, interval_start=5, now=9) == (gauge, None)
    assert update_gauge(gauge, 90.0, 80.0, window=1.0, interval_start=5, now=value) == (gauge, None)


def sample(time: float, cpu: float) -> Sample:
    return Sample(container_id="c", time=time, cpu=cpu, memory=0)


def test_cpu_is_in_dockers_convention():
    assert compute_cpu_percent(sample(0, 1.0), sample(2, 4.0)) == 150.0


@pytest.mark.parametrize("after", [sample(0, 2.0), sample(-1, 2.0), sample(1, 0.5)])
def test_incomparable_samples_give_no_value(after):
    assert compute_cpu_percent(sample(0, 1.0), after) is None


def test_process_without_work_uses_no_cpu():
    assert compute_cpu_percent(sample(0, 1.0), sample(1, 1.0)) == 0.0


def test_share_is_of_the_limit_if_set():
    assert (compute_share(50.0, 0.5), compute_share(50.0, None)) == (100.0, 50.0)
