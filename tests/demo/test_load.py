"""How busy the host is while a demo is played."""

import pytest

from hemostat.core.model import HostSample
from hemostat.demo.load import LoadMeter


class Host:
    """Returns one number after the other."""

    def __init__(self, *cpu: float | None) -> None:
        self.cpu = iter(cpu)

    def measure(self, now: float) -> HostSample | None:
        return HostSample(time=now, cpu=next(self.cpu))


def test_share_of_a_container_is_of_all_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    meter = LoadMeter(Host(None, 0.96))
    meter.start(0.0)
    meter.note(1.0, 40.0)
    meter.note(2.0, 60.0)
    meter.note(2.0, 60.0)
    told = meter.read(3.0)
    assert told is not None
    assert (told.busy, told.own, told.cores) == (0.96, pytest.approx(0.25), 2)
    assert told.is_too_high
    assert "96% of its CPU was in use, 25% by the demo's container" in str(told)


def test_load_of_a_remote_host_is_not_reported():
    meter = LoadMeter(Host(None, None))
    meter.start(0.0)
    assert meter.read(1.0) is None
