"""Notifications for tests."""

import msgspec

from hemostat.core.notify.notification import (
    Notification,
)
from hemostat.core.settings.alert import Topic
from tests.support.samples import NOW


def make_notification(topic: Topic, at: float = 0.0, **changes) -> Notification:
    plain = Notification(incident="i1", topic=topic, time=NOW + at, host="h", container="web", kind="exited")
    return msgspec.structs.replace(plain, **changes)


HEALED = make_notification(
    Topic.HEALED,
    project="shop",
    what="exited with code 1",
    cause="crash: exit code 1",
    action="restart",
    done="restarted, healed in 3.1 s",
    took=3.1,
)
