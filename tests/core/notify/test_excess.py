"""Which notifications a full queue drops."""

import msgspec

from hemostat.core.notify.excess import select_excess
from hemostat.core.settings.alert import Topic
from tests.support.notifications import make_notification

HEALED = make_notification(Topic.HEALED)


def test_more_than_the_excess_is_dropped_at_once():
    """A hundredth more, so that the next notifications find room."""
    queued = [msgspec.structs.replace(HEALED, incident=f"i{number}") for number in range(1001)]
    assert select_excess(queued, 1000) == queued[:11]
    assert select_excess(queued[:1000], 1000) == []


def test_project_with_fewer_notifications_keeps_them():
    flood = [msgspec.structs.replace(HEALED, incident=f"i{number}", project="evil") for number in range(99)]
    victim = msgspec.structs.replace(HEALED, incident="victim", project="shop")
    own = msgspec.structs.replace(HEALED, incident="hemostat:monitor", kind="")
    dropped = select_excess([victim, own, *flood], 3)
    assert dropped == flood[:98]
