"""When many fail at once."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.detection.storm import (
    MAX_WINDOWS,
    REST_WINDOWS,
    Storm,
    StormFailure,
    StormLimits,
    Storms,
    StormVerdict,
    WatchedCounts,
    build_storm_evidence,
    is_over,
    record_failure,
)
from hemostat.events import Kind

WINDOW = 10.0
LIMITS = StormLimits(count=5, window=WINDOW)
A, B, P = (
    StormVerdict(is_in_storm=False),
    StormVerdict(is_in_storm=True, is_first=True),
    StormVerdict(is_in_storm=True),
)
NAMES = {f"id{number}": f"web-{number:02}" for number in range(20)}


def failing(
    *failures: tuple[float, int], running: int = 6, kind: Kind = Kind.EXITED, storm: Storm | None = None
):
    """The state and the verdicts for failures at these times of containers with these numbers."""
    storm, verdicts = storm or Storm(), []
    for now, number in failures:
        storm, verdict = record_failure(
            storm, StormFailure(now, f"id{number}", kind), LIMITS, WatchedCounts(running)
        )
        verdicts.append(verdict)
    return storm, verdicts


def over(storm: Storm, now: float) -> bool:
    return is_over(storm, now, WINDOW)


BURST = tuple((float(n), n) for n in range(5))


def test_fifth_failure_in_the_window_starts_a_storm():
    storm, verdicts = failing(*BURST, (5.0, 5))
    assert verdicts == [A, A, A, A, B, P]
    assert storm.since == 0.0


def test_repeated_failures_of_a_container_count_once():
    assert failing(*[(float(t), 1) for t in range(20)])[1] == [A] * 20


def test_failures_far_apart_are_not_a_storm():
    assert failing(*[(t * 3.0, t) for t in range(20)])[1] == [A] * 20


def test_few_failures_of_many_are_not_a_storm():
    assert failing(*BURST, running=16)[1] == [A] * 5
    assert failing(*BURST, running=15)[1] == [A, A, A, A, B]


@pytest.mark.parametrize("kind", [Kind.EXITED, Kind.CRASH_LOOP, Kind.OOM, Kind.UNHEALTHY, Kind.HUNG])
def test_many_failures_of_any_kind_are_a_storm(kind):
    storms = Storms()
    verdicts = [
        storms.add(StormFailure(now, f"id{number}", kind), LIMITS, WatchedCounts(6)) for now, number in BURST
    ]
    assert [verdict for _, verdict in verdicts] == [A, A, A, A, B]


def test_busy_containers_are_not_a_storm():
    storms = Storms()
    for now, number in BURST:
        busy = StormFailure(now, f"id{number}", Kind.CPU_HIGH)
        assert storms.add(busy, LIMITS, WatchedCounts(6)) == (Storm(), A)


def test_storm_ends_after_a_quiet_window():
    storm, _ = failing(*BURST)
    assert not over(storm, 13.9)
    assert over(storm, 14.0)


def test_storm_lasts_while_other_containers_fail():
    storm, _ = failing(*BURST)
    storm, verdicts = failing((13.0, 5), (22.0, 6), storm=storm)
    assert verdicts == [P, P]
    assert not over(storm, 31.0)
    assert over(storm, 32.0)
    assert storm.since == 0.0


def test_same_containers_do_not_prolong_a_storm():
    storm, _ = failing(*BURST)
    storm, verdicts = failing(*[(float(t), t % 5) for t in range(5, 60)], storm=storm)
    assert verdicts[:9] == [P] * 9
    assert verdicts[9:] == [A] * 46


def test_storm_ends_with_any_number_of_containers():
    storm, verdicts = failing(*[(t * 2.0, t) for t in range(400)])
    longest = MAX_WINDOWS * WINDOW
    assert verdicts[4:].index(A) * 2.0 + 8.0 == longest
    assert verdicts.count(B) == 4
    assert verdicts.count(P) <= 0.6 * len(verdicts), "it rests for as long as it has lasted"
    assert failing((9.0, 999), storm=storm)[1] == [A]


def test_no_storm_starts_soon_after_another():
    storm, _ = failing(*BURST)
    rested = 14.0 + REST_WINDOWS * WINDOW
    early = tuple((rested - 5.1 + n, n) for n in range(5))
    assert failing(*early, storm=storm)[1] == [A] * 5
    assert failing(*early, (rested, 5), storm=storm)[1] == [A] * 5 + [B]


def add(storms: Storms, *failures: tuple[float, str, str], containers: int = 12, projects: int = 3):
    """Whether each of these failures (time, container, project) is part of a storm."""
    watched = WatchedCounts(containers, projects)
    return [
        storms.add(StormFailure(now, name, Kind.EXITED, project), LIMITS, watched)[1].is_in_storm
        for now, name, project in failures
    ]


def test_storm_of_one_project_holds_no_other():
    storms = Storms()
    assert add(storms, *((float(n), f"a{n}", "a") for n in range(6))) == [False] * 4 + [True] * 2
    assert add(storms, (6.0, "b0", "b"), (6.0, "c0", "")) == [False, False]
    assert add(storms, (7.0, "a9", "a")) == [True]
    assert (storms.is_project_in_storm("a", 8.0, WINDOW), storms.is_project_in_storm("b", 8.0, WINDOW)) == (
        True,
        False,
    )
    assert not storms.are_over(8.0, WINDOW)
    assert storms.are_over(17.0, WINDOW)


def test_storm_of_several_projects_holds_all():
    storms = Storms()
    burst = [(0.0, "a0", "a"), (0.0, "a1", "a"), (0.0, "b0", "b"), (0.0, "b1", "b"), (0.0, "c0", "c")]
    assert add(storms, *burst) == [False] * 4 + [True]
    assert add(storms, (1.0, "d0", "d")) == [True]


def test_single_project_on_a_host_can_be_a_storm():
    storms = Storms()
    burst = [(0.0, f"a{n}", "a") for n in range(5)]
    assert add(storms, *burst, projects=1) == [False] * 4 + [True]
    assert storms.is_project_in_storm("another", 1.0, WINDOW)


def test_calm_projects_are_forgotten():
    storms = Storms()
    add(storms, *((float(n), f"c{n}", f"p{n}") for n in range(500)))
    storms.expire(1000.0, WINDOW)
    assert vars(storms)["_by_scope"] == {}


def test_no_storm_lasts_without_a_start():
    assert over(Storm(), 0.0)
    assert over(failing(*BURST[:4])[0], 4.0)


def test_second_storm_can_start_after_the_first():
    storm, _ = failing(*BURST)
    assert failing(*[(100.0 + t, n) for t, n in BURST], storm=storm)[1] == [A, A, A, A, B]


def test_storm_alert_has_count_names_and_kind():
    storm, _ = failing(*[(float(n), n) for n in range(9)])
    storm, _ = failing((9.0, 0), (9.0, 11), (9.0, 10), (9.0, 9), kind=Kind.OOM, storm=storm)
    facts = {item.name: item.value for item in build_storm_evidence(storm.failures, NAMES)}
    assert facts["storm"] == 12
    assert facts["containers"] == ", ".join(f"web-{n:02}" for n in range(10)) + " and 2 more"
    assert facts["kinds"] == "exited 9, oom 3"
    assert build_storm_evidence(failing((0.0, 7))[0].failures, {})[1].value == "id7"


def test_clock_jump_ends_a_storm_and_starts_none():
    assert failing((1000.0, 0), (1001.0, 1), (0.0, 2), (1.0, 3), (1002.0, 4), (1003.0, 5))[1] == [A] * 6
    storm, _ = failing(*BURST)
    assert over(storm, -50.0)
    assert over(storm, nan)


TIMES = st.floats(0, 60) | st.sampled_from([-inf, inf, nan, -1e9])


@given(st.lists(st.tuples(TIMES, st.integers(0, 12)), max_size=40))
def test_storm_starts_once_and_is_bounded(failures):
    storm = Storm()
    for now, number in failures:
        lasting = not over(storm, now)
        storm, verdicts = failing((now, number), storm=storm)
        assert verdicts == [P] if lasting else verdicts[0] in {A, B}
        assert len(storm.failures) <= 13


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3)), max_size=40))
def test_four_containers_are_not_a_storm(failures):
    assert set(failing(*sorted(failures), running=1)[1]) <= {A}


@given(st.lists(st.floats(0, 9.9), min_size=5, max_size=20))
def test_all_failures_in_a_window_are_one_storm(times):
    verdicts = failing(*[(now, number) for number, now in enumerate(sorted(times))], running=15)[1]
    assert verdicts == [A] * 4 + [B] + [P] * (len(times) - 5)
