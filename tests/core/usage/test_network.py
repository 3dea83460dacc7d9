"""Rates from counters that are read now and then."""

import msgspec
import pytest

from hemostat.core.model import Sample
from hemostat.core.usage.network import STALE_RATE_SECONDS, NetworkRates, update_rates
from tests.support.samples import NOW


def sample(second: float, received: int | None = None, sent: int | None = None) -> Sample:
    return Sample(container_id="c", time=NOW + second, cpu=0.0, memory=0, received=received, sent=sent)


def rates(*samples: Sample) -> tuple[int | None, int | None]:
    traffic = NetworkRates()
    for each in samples:
        traffic = update_rates(traffic, each)
    return traffic.received, traffic.sent


def test_rate_is_known_from_the_second_reading():
    first, second = sample(0, 1000, 0), sample(5, 6000, 500)
    assert rates(first) == (None, None)
    assert rates(first, sample(1), second) == (1000, 100)
    assert rates(first, second, sample(6), sample(9)) == (1000, 100)
    assert rates(first, second, sample(6), sample(10, 6000, 500)) == (0, 0)


def test_rate_is_unknown_without_counters():
    assert rates(sample(0), sample(1), sample(2)) == (None, None)


def test_rate_expires_without_new_counters():
    assert rates(sample(0, 0, 0), sample(5, 50, 50), sample(5 + STALE_RATE_SECONDS)) == (None, None)


def test_repeated_or_partial_samples_are_ignored():
    known = (sample(0, 0, 0), sample(5, 50, 5))
    assert rates(*known, known[-1]) == (10, 1)
    assert rates(*known, sample(6, 9000)) == (10, 1)


@pytest.mark.parametrize("odd", [sample(8, 10, 90), sample(8, 90, 1), sample(-60, 90, 90)])
def test_rate_restarts_when_clock_or_counters_go_back(odd):
    known = (sample(0, 0, 0), sample(5, 50, 50))
    assert rates(*known, odd) == (None, None)
    later = msgspec.structs.replace(odd, time=odd.time + 10, received=odd.received + 100, sent=odd.sent + 200)
    assert rates(*known, odd, later) == (10, 20)
