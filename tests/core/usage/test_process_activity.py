"""What two readings of the kernel's counters prove about the work of a container."""

import msgspec
import pytest

from hemostat.core.usage.process_activity import Activity, Thread, compare_activity
from hemostat.events import Evidence

BEFORE = Activity(time=100.0)
AFTER = Activity(time=110.0)


def compare(before: dict, after: dict) -> dict[str, object]:
    """The evidence of two readings, 10 seconds apart, by name."""
    found = compare_activity(
        msgspec.structs.replace(BEFORE, **before), msgspec.structs.replace(AFTER, **after)
    )
    return {each.name: each.value for each in found}


def thread(process: int, user: float, system: float = 0.0, switches: int = 0, **fields) -> Thread:
    return Thread(process, process, 5, user, system, switches, **fields)


def test_rates_are_growth_of_counters_by_second():
    before = msgspec.structs.replace(
        BEFORE, received=1000, sent=50, local=7, block=500, moved={1: 100, 2: 50}
    )
    after = msgspec.structs.replace(
        AFTER, received=1123, sent=50, local=1007, block=581, moved={1: 187, 2: 20, 3: 25}
    )
    assert compare_activity(before, after) == (
        Evidence("received", 12.3, "B/s"),
        Evidence("sent", 0.0, "B/s"),
        Evidence("loopback", 100.0, "B/s"),
        Evidence("block_io", 8.1, "B/s"),
        Evidence("read_write", 11.2, "B/s"),
    )


@pytest.mark.parametrize("name", ["received", "sent", "local", "block"])
@pytest.mark.parametrize(("old", "new"), [(None, 10), (10, None), (10, 9)])
def test_counter_that_is_missing_or_fell_is_no_evidence(name, old, new):
    assert compare({name: old}, {name: new}) == {}


@pytest.mark.parametrize(("old", "new"), [(None, {1: 5}), ({1: 5}, None)])
def test_counters_by_process_that_are_missing_are_no_evidence(old, new):
    assert compare({"moved": old}, {"moved": new}) == {}


@pytest.mark.parametrize(("counters", "rate"), [({"block": 500}, 0.0), ({}, 20.0)])
def test_block_io_is_the_cgroups_or_else_the_processes(counters, rate):
    before, after = {1: 100, 2: 900}, {1: 200, 3: 100}
    assert compare({"storage": before, **counters}, {"storage": after, **counters}) == {"block_io": rate}


def test_readings_of_the_same_moment_prove_nothing():
    reading = Activity(time=100.0, received=1)
    assert compare_activity(reading, reading) == ()


def test_hot_threads_are_the_busiest_with_nine_tenths_of_the_cpu():
    """Of 10 seconds, two threads used 6 and 3. The third one is not needed for the share."""
    before = {
        "cpu": 1.0,
        "moved": {1: 0, 2: 0, 3: 0},
        "faults": {1: 1, 2: 1, 3: 1},
        "threads": (thread(1, 1.0, 0.5, 3), thread(2, 0.0), thread(3, 0.0), thread(9, 4.0)),
    }
    after = {
        "cpu": 13.0,
        "moved": {1: 30, 2: 45, 3: 900},
        "faults": {1: 24, 2: 3, 3: 900},
        "threads": (thread(3, 1.0), thread(2, 2.0, 1.0, 6), thread(1, 6.0, 1.5, 4), thread(4, 9.0)),
    }
    assert compare(before, after) == {
        "read_write": 97.5,
        "hot_threads": 2,
        "hot_share": 75.0,
        "user_time": 77.8,
        "switches": 0.7,
        "hot_read_write": 7.5,
        "page_faults": 2.5,
    }
    units = {each.name: each.unit for each in compare_activity(
        msgspec.structs.replace(BEFORE, **before), msgspec.structs.replace(AFTER, **after)
    )}  # fmt: skip
    assert units["hot_read_write"] == "B/s"
    assert units["page_faults"] == units["switches"] == "/s"


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["cpu", "threads"])
def test_threads_are_no_evidence_when_a_reading_lacks_them(side, name):
    readings = {
        "before": {"cpu": 0.0, "threads": (thread(1, 0.0),)},
        "after": {"cpu": 9.0, "threads": (thread(1, 9.0),)},
    }
    assert compare(readings["before"], readings["after"])["hot_threads"] == 1
    readings[side][name] = None
    assert compare(readings["before"], readings["after"]) == {}


def test_threads_without_cpu_are_no_evidence():
    assert (
        compare({"cpu": 0.0, "threads": (thread(1, 3.0),)}, {"cpu": 0.0, "threads": (thread(1, 3.0),)}) == {}
    )


def test_thread_whose_counters_fell_counts_as_idle():
    """The kernel reused the numbers of a thread: its counters begin again."""
    found = compare(
        {"cpu": 0.0, "threads": (thread(1, 5.0, 5.0, 50), thread(2, 0.0))},
        {"cpu": 2.0, "threads": (thread(1, 1.0, 1.0, 9), thread(2, 2.0))},
    )
    assert (found["hot_threads"], found["hot_share"], found["switches"]) == (1, 100.0, 0.0)
    both = compare(
        {"cpu": 0.0, "threads": (thread(1, 0.0, 5.0, 50),)},
        {"cpu": 2.0, "threads": (thread(1, 2.0, 1.0, 9),)},
    )
    assert (both["hot_share"], both["user_time"], both["switches"]) == (100.0, 100.0, 0.0)


def test_process_started_again_under_the_same_number_is_not_compared():
    old, new = Thread(1, 1, 5, 0.0, 0.0, 0), Thread(1, 1, 6, 9.0, 0.0, 0)
    assert compare({"cpu": 0.0, "threads": (old,)}, {"cpu": 9.0, "threads": (new,)}) == {}


def test_threads_with_more_than_the_measured_cpu_have_all_of_it():
    found = compare({"cpu": 0.0, "threads": (thread(1, 0.0),)}, {"cpu": 4.0, "threads": (thread(1, 5.0),)})
    assert found["hot_share"] == 100.0


def test_job_is_evidence_only_if_a_hot_thread_belongs_to_it():
    before = {"cpu": 0.0, "threads": (thread(1, 0.0), thread(2, 0.0, is_job=True))}
    hot = {"cpu": 9.0, "threads": (thread(1, 0.1), thread(2, 8.9, is_job=True))}
    cold = {"cpu": 9.0, "threads": (thread(1, 8.9), thread(2, 0.1, is_job=True))}
    assert compare(before, hot)["job"] is True
    assert "job" not in compare(before, cold)
