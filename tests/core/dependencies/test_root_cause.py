"""Where a failure comes from."""

import pytest

from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.dependencies.root_cause import HoldReason, HostState, find_root_cause, update_host_state
from hemostat.core.model import ContainerInfo, HostSample
from hemostat.events import Kind
from tests.support.samples import NOW, WEB

TIMED_OUT = "Health check exceeded timeout (1s)"


def web(output: str = "") -> ContainerInfo:
    return ContainerInfo(ref=WEB, status="running", health="unhealthy", health_output=output)


def held(
    seconds: float, *, output: str = "", kind: Kind = Kind.UNHEALTHY, cpu: float = 0.0
) -> HoldReason | None:
    """Why nothing is to be done about it on a host of two cores that has been saturated for so long."""
    host = HostState(name="h", cores=2)
    for moment in (NOW - seconds, NOW):
        host = update_host_state(host, HostSample(time=moment, cpu=1.0))
    info = web(output)
    return find_root_cause(info, kind, DependencyGraph.build([info]), host, cpu=cpu, now=NOW).hold_reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (held(3.0), HoldReason.HOST),
        (held(2.0), None),
        (held(1.0, output=TIMED_OUT), HoldReason.HOST),
        (held(0.5, output=TIMED_OUT), None),
        (held(9.0, cpu=100.0), None),
        (held(9.0, cpu=90.0), HoldReason.HOST),
        (held(9.0, kind=Kind.HUNG), HoldReason.HOST),
        (held(9.0, kind=Kind.EXITED), None),
    ],
)
def test_busy_host_is_the_root_cause_except_of_its_load(found, expected):
    assert found is expected


def test_calm_host_is_not_a_root_cause():
    host = update_host_state(HostState(name="h"), HostSample(time=NOW - 9, cpu=1.0))
    host = update_host_state(host, HostSample(time=NOW - 1, cpu=0.5))
    info = web()
    assert (
        find_root_cause(
            info, Kind.UNHEALTHY, DependencyGraph.build([info]), host, cpu=0.0, now=NOW
        ).hold_reason
        is None
    )
