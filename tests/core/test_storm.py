"""When many fail at once."""

from math import inf, nan

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.storm import Storm, Verdict, evidence, gather, settle
from hemostat.events import Container, Kind

WINDOW = 10.0
A, B, P = Verdict.ALONE, Verdict.BEGINS, Verdict.PART


def failing(
    *failures: tuple[float, int], watched: int = 6, kind: Kind = Kind.EXITED, storm: Storm | None = None
):
    """The state and the verdicts for failures at these times of containers with these numbers."""
    storm, verdicts = storm or Storm(), []
    for now, number in failures:
        container = Container(id=f"id{number}", name=f"web-{number:02}")
        storm, verdict = gather(storm, container, kind, now, count=5, window=WINDOW, watched=watched)
        verdicts.append(verdict)
    return storm, verdicts


BURST = tuple((float(n), n) for n in range(5))


def test_the_fifth_of_many_within_the_window_begins_it():
    storm, verdicts = failing(*BURST, (5.0, 5))
    assert verdicts == [A, A, A, A, B, P]
    assert storm.since == 0.0


def test_a_container_that_fails_again_and_again_is_one():
    assert failing(*[(float(t), 1) for t in range(20)])[1] == [A] * 20


def test_failures_far_apart_are_no_storm():
    assert failing(*[(t * 3.0, t) for t in range(20)])[1] == [A] * 20


def test_a_few_of_very_many_are_no_storm():
    assert failing(*BURST, watched=16)[1] == [A] * 5
    assert failing(*BURST, watched=15)[1] == [A, A, A, A, B]


def test_many_that_are_busy_are_no_storm():
    assert failing(*BURST, kind=Kind.CPU_HIGH) == (Storm(), [A] * 5)


def test_it_is_over_after_a_quiet_window():
    storm, _ = failing(*BURST)
    assert settle(storm, 13.9, window=WINDOW) == (storm, False)
    assert settle(storm, 14.0, window=WINDOW) == (Storm(), True)


def test_it_lasts_while_failures_go_on():
    storm, _ = failing(*BURST)
    storm, verdicts = failing((13.0, 5), (22.0, 1), storm=storm)
    assert verdicts == [P, P]
    assert settle(storm, 31.0, window=WINDOW)[1] is False
    assert settle(storm, 32.0, window=WINDOW)[1] is True
    assert storm.since == 0.0


def test_without_a_storm_none_ends():
    storm, _ = failing(*BURST[:4])
    assert settle(storm, 1000.0, window=WINDOW) == (storm, False)


def test_another_begins_after_one_is_over():
    storm, _ = failing(*BURST)
    storm, _ = settle(storm, 100.0, window=WINDOW)
    assert failing(*[(100.0 + t, n) for t, n in BURST], storm=storm)[1] == [A, A, A, A, B]


def test_it_tells_how_many_which_and_what():
    storm, _ = failing(*[(float(n), n) for n in range(9)])
    storm, _ = failing((9.0, 0), (9.0, 11), (9.0, 10), (9.0, 9), kind=Kind.OOM, storm=storm)
    facts = {item.name: item.value for item in evidence(storm)}
    assert facts["containers"] == 12
    assert facts["names"] == ", ".join(f"web-{n:02}" for n in range(10)) + " and 2 more"
    assert facts["kinds"] == "exited 8, oom 4"
    assert evidence(failing((0.0, 7))[0])[1].value == "web-07"


def test_a_clock_that_jumps_begins_none_and_ends_it():
    assert failing((1000.0, 0), (1001.0, 1), (0.0, 2), (1.0, 3), (1002.0, 4), (1003.0, 5))[1] == [A] * 6
    storm, _ = failing(*BURST)
    assert settle(storm, -50.0, window=WINDOW)[1] is True
    assert settle(storm, nan, window=WINDOW)[1] is True


def test_it_is_remembered():
    storm, _ = failing(*BURST)
    assert msgspec.json.decode(msgspec.json.encode(storm), type=Storm) == storm


TIMES = st.floats(0, 60) | st.sampled_from([-inf, inf, nan, -1e9])


@given(st.lists(st.tuples(TIMES, st.integers(0, 12)), max_size=40))
def test_storms_begin_and_end_by_turns_and_stay_small(failures):
    storm, lasting = Storm(), False
    for now, number in failures:
        storm, ended = settle(storm, now, window=WINDOW)
        assert not ended or lasting
        lasting = lasting and not ended
        storm, verdicts = failing((now, number), storm=storm)
        assert verdicts == [P] if lasting else verdicts[0] in {A, B}
        lasting = lasting or verdicts == [B]
        assert (storm.since is not None) == lasting
        assert len(storm.failures) <= 13


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3)), max_size=40))
def test_four_containers_are_never_a_storm(failures):
    assert set(failing(*sorted(failures), watched=1)[1]) <= {A}


@given(st.lists(st.floats(0, 9.9), min_size=5, max_size=20))
def test_all_that_fail_within_a_window_are_one_storm(times):
    verdicts = failing(*[(now, number) for number, now in enumerate(sorted(times))], watched=15)[1]
    assert verdicts == [A] * 4 + [B] + [P] * (len(times) - 5)
