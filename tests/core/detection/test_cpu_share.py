"""The share of a CPU core that the work for one engine takes."""

import pytest

from hemostat.core.detection.cpu_share import CpuShare


def use(share: CpuShare, seconds: float, cpu_of_step: float) -> float:
    """The CPU seconds that work without end uses in this many seconds, if it waits as it has to."""
    used, now = 0.0, 1000.0
    end = now + seconds
    share.compute_pause(used, now)
    while now < end:
        used, now = used + cpu_of_step, now + cpu_of_step
        now += share.compute_pause(used, now)
    return used


@pytest.mark.parametrize("cpu_of_step", [0.0001, 0.01, 3.0])
def test_endless_work_gets_its_share_and_the_burst(cpu_of_step: float) -> None:
    assert use(CpuShare(0.2, 10.0), 600.0, cpu_of_step) == pytest.approx(0.2 * 600 + 10, abs=4.0)


def test_work_below_its_share_never_waits() -> None:
    share = CpuShare(0.2, 1.0)
    assert not any(share.compute_pause(0.19 * second, 1000.0 + second) for second in range(1000))


def test_idle_time_fills_the_burst_only() -> None:
    share = CpuShare(0.5, 2.0)
    share.compute_pause(0.0, 0.0)
    assert share.compute_pause(0.0, 1e6) == 0.0
    assert share.compute_pause(3.0, 1e6) == pytest.approx(2.0)


def test_clock_that_is_set_back_lengthens_no_pause() -> None:
    share = CpuShare(0.5, 1.0)
    share.compute_pause(0.0, 1e9)
    assert share.compute_pause(2.0, 0.0) == pytest.approx(2.0)
    assert share.compute_pause(2.0, 2.0) == 0.0
