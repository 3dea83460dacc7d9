"""No row of the ledger, whoever wrote it, occupies a container or a slot for ever."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.ledger.controls import ALL_CONTAINERS, Controls
from hemostat.core.ledger.leases import (
    MAX_LEASE_SECONDS,
    get_lease_end,
    is_from_future,
    is_leased,
    limit_lease,
)
from hemostat.core.ledger.rows import Attempt
from hemostat.events import Action
from tests.support.samples import NOW

TIMES = st.floats(allow_nan=False, allow_infinity=False)


def attempt(**changes) -> Attempt:
    plain = Attempt(
        key="i1:1:0", container="web", action=Action.RESTART, time=NOW, by="responder@a", lease=NOW + 100
    )
    return msgspec.structs.replace(plain, **changes)


@given(TIMES, TIMES, TIMES, TIMES)
def test_lease_is_limited_by_the_maximum(time, renewed, lease, now):
    row = attempt(time=time, renewed=renewed, lease=lease)
    assert get_lease_end(row) <= max(time, renewed) + MAX_LEASE_SECONDS
    if is_leased(row, now):
        assert not is_leased(row, now + 2 * MAX_LEASE_SECONDS + 1) or now > 1e15  # beyond: no seconds


def test_lease_of_ten_years_ends_at_the_maximum():
    old = attempt(lease=NOW + 315_360_000)
    assert is_leased(old, NOW + MAX_LEASE_SECONDS - 1)
    assert not is_leased(old, NOW + MAX_LEASE_SECONDS)


def test_lease_of_a_slow_stop_is_not_ended_early():
    slow = attempt(lease=NOW + 90 + 60 + 60)
    assert is_leased(slow, NOW + 209)
    assert limit_lease(210) == 210


def test_renewed_lease_counts_from_its_renewal():
    taken_up = attempt(renewed=NOW + 3600, lease=NOW + 3700)
    assert is_leased(taken_up, NOW + 3650)
    assert not is_leased(taken_up, NOW + 3700)


def test_row_of_an_older_version_is_read():
    raw = b'{"key":"k","container":"web","action":"restart","time":1,"by":"r","lease":61}'
    row = msgspec.json.decode(raw, type=Attempt)
    assert (row.renewed, row.container_id, row.project, row.stop_seconds) == (0.0, "", "", 0.0)
    assert is_leased(row, 60.0)


@pytest.mark.parametrize(("back", "held"), [(60.0, True), (MAX_LEASE_SECONDS + 1, False), (86400.0, False)])
def test_clock_set_back_does_not_prolong_a_lease(back, held):
    assert is_leased(attempt(), NOW - back) is held


@pytest.mark.parametrize("name", ["web", ALL_CONTAINERS])
def test_reset_ends_earlier_leases(name):
    controls = Controls(resets={name: NOW + 5})
    assert not is_leased(attempt(), NOW + 6, controls)
    assert is_leased(attempt(time=NOW + 5.5), NOW + 6, controls)
    assert is_leased(attempt(container="db"), NOW + 6, Controls(resets={"web": NOW + 5}))


def test_reset_with_a_future_time_ends_no_lease_yet():
    assert is_leased(attempt(), NOW + 6, Controls(resets={ALL_CONTAINERS: NOW + 3600}))


def test_future_lease_counts_from_when_it_was_first_read():
    """The clock was set back by a day while another responder stops a container."""
    back = NOW - 86400
    assert is_leased(attempt(), back + 99, seen_at=back)
    assert not is_leased(attempt(), back + 100, seen_at=back)
    assert not is_leased(attempt(time=1e300, lease=2e300), back + MAX_LEASE_SECONDS, seen_at=back)


@pytest.mark.parametrize(
    ("reset_at", "now", "is_held"),
    [
        (NOW, NOW + 1, False),
        (NOW - 0.1, NOW + 1, True),
        (NOW + 1, NOW + 1, False),
        (NOW + 1.1, NOW + 1, True),
        (0.0, NOW + 1, True),
    ],
)
def test_reset_ends_the_leases_taken_before(reset_at, now, is_held):
    controls = Controls(resets={"web": reset_at}) if reset_at else Controls()
    assert is_leased(attempt(), now, controls) is is_held


@pytest.mark.parametrize(("skew", "is_future"), [(5.0, False), (5.1, True), (-9.0, False)])
def test_row_is_from_the_future_beyond_the_skew_of_clocks(skew, is_future):
    assert is_from_future(attempt(time=NOW + skew), NOW) is is_future
    assert is_from_future(attempt(renewed=NOW + skew), NOW) is is_future


def test_lease_from_the_future_counts_from_its_first_sight():
    future = attempt(time=NOW + 500, lease=NOW + 560)
    assert not is_leased(future, NOW - 0.1, seen_at=NOW)
    assert is_leased(future, NOW, seen_at=NOW)
    assert is_leased(future, NOW + 59.9, seen_at=NOW)
    assert not is_leased(future, NOW + 60, seen_at=NOW)
    assert is_leased(attempt(), NOW, seen_at=NOW + 50), "it is not from the future"
