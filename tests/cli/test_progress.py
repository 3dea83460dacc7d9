"""The progress of actions under way, from the events of their incidents."""

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.cli.output.progress import MAX_ACTING, ProgressReader
from hemostat.core.remediation.limit_status import HostLimitStatus
from tests.support.clock import FakeClock
from tests.support.samples import complete, event, needed


def test_tracked_incidents_are_bounded_and_hold_no_events():
    def read_limits(host: str) -> HostLimitStatus:
        raise AssertionError(f"no action is under way on {host}")

    reader = ProgressReader(InMemoryBus(FakeClock()), read_limits)
    for number in range(MAX_ACTING + 5):
        for at in range(3):
            reader.add(event(needed(), at, incident=f"i{number}"))
    assert len(reader._acting) == MAX_ACTING
    assert not any(log.steps for log in reader._acting.values())
    for number in range(MAX_ACTING + 5):
        reader.add(event(complete(), 5, incident=f"i{number}"))
    assert list(reader.take_changes()) == []
