"""Computes a container's network rates from counters that are read at irregular times."""

from typing import Final

import msgspec

from hemostat.core.model import Sample

STALE_RATE_SECONDS: Final = 60.0
"""Seconds for which a rate holds after the counters were last read."""


class NetworkRates(msgspec.Struct, frozen=True):
    """`last` is the latest sample with counters. Rates are bytes a second up to it, None if unknown."""

    last: Sample | None = None
    received: int | None = None
    sent: int | None = None


def update_rates(traffic: NetworkRates, sample: Sample) -> NetworkRates:
    """Return the rates with one more sample. A repeated sample changes nothing. A sample without counters
    changes nothing until the last counters are too old. If samples cannot be compared, because the clock or a
    counter went back, the rates start again."""
    last = traffic.last
    elapsed = 0.0 if last is None else sample.time - last.time
    if sample.received is None or sample.sent is None:
        return traffic if 0 <= elapsed < STALE_RATE_SECONDS else NetworkRates()
    if last is None or elapsed < 0:
        return NetworkRates(sample)
    if elapsed == 0:
        return traffic
    received, sent = sample.received - (last.received or 0), sample.sent - (last.sent or 0)
    if received < 0 or sent < 0:
        return NetworkRates(sample)
    return NetworkRates(sample, round(received / elapsed), round(sent / elapsed))
