"""Back-off."""

import pytest

from hemostat.core.backoff import compute_backoff, count_restart_streak


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (1, 10), (2, 20), (5, 160), (6, 300), (10_000, 300)])
def test_wait_doubles_up_to_the_maximum(count, seconds):
    assert compute_backoff(count, 10.0, 300.0) == seconds


@pytest.mark.parametrize(
    ("ends", "count"),
    [
        ([], 0),
        ([1000.0], 1),
        ([900.0, 1000.0], 2),
        ([100.0, 900.0, 1000.0], 2),
        ([400.0], 0),
        ([0.0, 100.0, 200.0], 0),
    ],
)
def test_calm_ends_a_streak(ends, count):
    assert count_restart_streak(ends, now=1000.0, reset=600.0) == count
