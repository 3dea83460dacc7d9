"""One channel: which notifications it gets, in which order, and what happens after failures."""

import msgspec
import pytest

from hemostat.adapters.in_memory.outbox import InMemoryOutbox
from hemostat.agents.notifier.channel_sender import (
    GIVE_UP_SECONDS,
    LEASE_SECONDS,
    MAX_BACKOFF_SECONDS,
    MAX_NOTIFICATIONS_TAKEN,
    MAX_REMEMBERED,
    MAX_RETRY_SECONDS,
    REFUSED_RETRY_SECONDS,
    ChannelSender,
)
from hemostat.core.notify import message
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import Notification
from hemostat.core.settings.alert import AlertSettings, Channel, Topic
from hemostat.errors import BusUnreachableError, NotifyError
from hemostat.events import Severity
from hemostat.ports import Interrupted
from tests.support.clock import FakeClock
from tests.support.counted import Counted
from tests.support.notifications import make_notification
from tests.support.samples import NOW

PASSING = NotifyError("busy", transient=True)
LASTING = NotifyError("no such channel", transient=False)
HEALED = make_notification(Topic.HEALED)
GONE = make_notification(Topic.GONE, kind="", container="Redis", incident="hemostat:Redis")


class Phone:
    """A channel that fails a given number of times."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.heard: list[str] = []
        self.tries = 0

    def send(self, message: Message) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.heard.append(message.title)


class Picky(Phone):
    """A channel that always fails for notifications about one container."""

    def __init__(self, container: str) -> None:
        super().__init__()
        self.container = container

    def send(self, message: Message) -> None:
        if message.title.startswith(f"{self.container} "):
            raise PASSING
        super().send(message)


class Line:
    """A courier with all that it needs, and a clock to turn it by."""

    def __init__(self, phone: Phone, outbox=None, channel: Channel | None = None, **alerting) -> None:
        self.clock = FakeClock(NOW)
        self.outbox = outbox or InMemoryOutbox()
        self.phone = phone
        self.counted = Counted()
        self.of_day = 12 * 3600.0
        self.courier = ChannelSender(
            "ops",
            channel or Channel(),
            phone,
            self.outbox,
            self.clock,
            AlertSettings(**alerting),
            chance=lambda: 1.0,
            of_day=lambda now: self.of_day + now - NOW,
            count=self.counted,
        )

    def put(self, *words: Notification) -> None:
        self.outbox.put("ops", [(each, each.time) for each in words])

    def after(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        self.courier.send_due()
        return self.phone.heard


def several(count: int, topic: Topic = Topic.HEALED) -> list[Notification]:
    return [
        make_notification(topic, number / 1000, incident=f"i{number}", container=f"web-{number}")
        for number in range(count)
    ]


def test_due_notification_is_sent_once():
    line = Line(Phone())
    line.put(HEALED)
    line.after(0.0)
    assert line.after(LEASE_SECONDS) == ["web is healed: exited"]


def test_incident_that_cleared_itself_is_not_sent():
    line = Line(Phone())
    line.put(make_notification(Topic.OPENED), make_notification(Topic.OVER))
    assert line.after(0.0) == []
    assert line.outbox.take("ops", NOW + 999, lease=0.0, count=9) == []


def test_end_is_sent_to_channels_that_got_the_start():
    line = Line(Phone())
    line.put(make_notification(Topic.OPENED))
    line.after(0.0)
    line.put(make_notification(Topic.OVER, 1.0))
    assert line.after(1.0) == ["web: exited", "web: exited, over by now"]


def test_each_pending_approval_is_sent():
    """The first one failed, and the next rung of the ladder comes at once."""
    line = Line(Phone())
    line.put(make_notification(Topic.APPROVAL, action="restart"))
    line.after(1.0)
    line.put(
        make_notification(Topic.FAILED, 2.0, action="restart"),
        make_notification(Topic.APPROVAL, 2.1, action="scale"),
    )
    assert line.after(2.0) == ["web: waiting for approval", "web: waiting for approval"]
    line.put(make_notification(Topic.APPROVAL, 2.1, action="scale"))
    assert len(line.after(1.0)) == 2


def test_channel_receives_its_topics_only():
    line = Line(Phone(), channel=Channel(topics=(Topic.ESCALATED,)))
    line.put(HEALED, make_notification(Topic.ESCALATED, incident="i2"))
    assert line.after(0.0) == ["web: exited, over to you"]


def test_backoff_doubles_for_a_busy_service():
    line = Line(Phone(PASSING, PASSING))
    line.put(HEALED)
    line.after(0.0)
    assert line.after(0.9) == []
    assert line.phone.tries == 1
    line.after(0.2)
    assert line.phone.tries == 2
    line.after(1.9)
    assert line.phone.tries == 2
    assert line.after(0.2) == ["web is healed: exited"]


def test_failing_message_does_not_block_others():
    """As a mail server that takes one for spam: it says no more than that it failed."""
    line = Line(Picky("web"))
    line.put(
        make_notification(Topic.HEALED, -2.0),
        make_notification(Topic.HEALED, -1.0, incident="other"),
        *several(2),
    )
    for _ in range(5):
        line.after(5.0)
    assert line.phone.heard == ["web-0 is healed: exited", "web-1 is healed: exited"]


@pytest.mark.parametrize("times", [1, 2])
def test_failing_system_message_does_not_block_others(times):
    line = Line(Picky(GONE.container))
    for number in range(times):
        line.courier.queue_own(msgspec.structs.replace(GONE, time=NOW + number))
    line.put(HEALED)
    for _ in range(5):
        line.after(5.0)
    assert line.phone.heard == ["web is healed: exited"]


def test_repeated_trouble_is_sent_again_after_failures():
    line = Line(Phone(PASSING))
    for number in range(2):
        line.courier.queue_own(msgspec.structs.replace(GONE, time=NOW + 60 * number))
        line.phone.failures = [PASSING]
        line.after(1.0)
        line.after(59.0)
    assert line.phone.heard == ["Redis needs attention", "Redis needs attention"]


def test_backoff_has_a_maximum():
    line = Line(Phone(*[PASSING] * 40))
    line.put(HEALED)
    for _ in range(30):
        line.after(MAX_BACKOFF_SECONDS)
    tries = line.phone.tries
    line.after(MAX_BACKOFF_SECONDS)
    assert line.phone.tries == tries + 1


def test_retry_after_of_the_service_is_respected():
    line = Line(Phone(NotifyError("busy", transient=True, wait=120.0)))
    line.put(HEALED)
    line.after(0.0)
    assert line.after(119.0) == []
    assert line.after(1.5) == ["web is healed: exited"]


def test_refused_message_is_retried_without_blocking_others():
    line = Line(Phone(LASTING))
    line.put(*several(2))
    assert line.after(1.0) == ["web-1 is healed: exited"]
    line.clock.advance(REFUSED_RETRY_SECONDS - 2)
    assert len(line.after(0.0)) == 1
    assert line.after(2.0) == ["web-1 is healed: exited", "web-0 is healed: exited"]


def test_message_refused_for_days_is_dropped_with_an_error(caplog):
    line = Line(Phone(LASTING, LASTING))
    line.put(HEALED)
    line.after(0.0)
    line.after(GIVE_UP_SECONDS + 1)
    assert "notification.abandoned" in caplog.text
    assert line.after(REFUSED_RETRY_SECONDS * 2) == []
    assert line.phone.tries == 2


def test_delivery_counters_exist_from_the_start():
    line = Line(Phone(PASSING, LASTING, LASTING))
    assert line.counted == {("ops", outcome): 0 for outcome in ("delivered", "failed", "dropped")}
    line.put(HEALED)
    line.after(0.0)
    line.after(2.0)
    line.after(GIVE_UP_SECONDS + 1)
    line.put(make_notification(Topic.HEALED, GIVE_UP_SECONDS + 2, incident="i2"))
    line.after(2.0)
    assert line.counted == {("ops", "delivered"): 1, ("ops", "failed"): 3, ("ops", "dropped"): 1}


def test_library_error_does_not_end_the_thread():
    line = Line(Phone(RuntimeError("a bug of https://hooks.example/secret")))
    line.put(HEALED)
    assert line.after(0.0) == []
    assert line.courier.trouble == "channel ops: the channel failed (RuntimeError)"
    assert line.after(REFUSED_RETRY_SECONDS) == ["web is healed: exited"]
    assert line.courier.trouble == ""


def test_storm_sends_the_rest_as_one_digest():
    line = Line(Phone(), per_minute=3)
    line.put(*several(20), make_notification(Topic.ESCALATED, incident="bad", container="db"))
    heard = line.after(1.0)
    assert heard == [
        "db: exited, over to you",
        "web-0 is healed: exited",
        "19 incidents: 19 healed",
    ]
    late = several(22)[21]
    line.put(late)
    assert len(line.after(30.0)) == 3
    assert line.after(30.0)[3:] == ["web-21 is healed: exited"]


def test_project_gets_half_of_the_messages_in_a_storm():
    """What is beyond its half goes as one, and the word of another project does not wait for it."""
    line = Line(Phone(), per_minute=6)
    evil = [
        make_notification(Topic.HEALED, incident=f"e{n}", container=f"evil-{n}", project="evil")
        for n in range(20)
    ]
    line.put(*evil, make_notification(Topic.HEALED, incident="s", container="shop", project="shop"))
    assert line.after(1.0) == [
        *("evil-0 is healed: exited", "shop is healed: exited", "evil-1 is healed: exited"),
        "18 incidents: 18 healed",
    ]
    line.put(make_notification(Topic.HEALED, 2.0, incident="e99", container="evil-99", project="evil"))
    line.put(make_notification(Topic.HEALED, 2.0, incident="s2", container="shop-2", project="shop"))
    assert line.after(2.0)[4:] == ["shop-2 is healed: exited"]
    assert line.after(60.0)[5:] == ["evil-99 is healed: exited"]


def test_incidents_in_a_digest_are_not_sent_again():
    line = Line(Phone(), per_minute=1)
    line.put(*several(5))
    line.after(1.0)
    assert line.after(LEASE_SECONDS * 2) == ["5 incidents: 5 healed"]


def test_one_message_an_incident_is_sent_after_quiet_hours():
    line = Line(Phone(), quiet="12:00-13:00")
    line.put(make_notification(Topic.ESCALATED))
    line.after(10.0)
    line.put(make_notification(Topic.HEALED, 20.0))
    assert line.after(3000.0) == []
    assert line.after(600.0) == ["web is healed: exited"]


def test_critical_message_is_sent_in_quiet_hours():
    line = Line(Phone(), quiet="12:00-13:00")
    line.put(make_notification(Topic.ESCALATED, severity=Severity.CRITICAL))
    assert line.after(1.0) == ["web: exited, over to you"]


def test_critical_notification_is_sent_behind_many_that_wait_for_morning():
    line = Line(Phone(), quiet="12:00-13:00")
    line.put(*several(MAX_NOTIFICATIONS_TAKEN, Topic.ESCALATED))
    line.put(make_notification(Topic.ESCALATED, 1.0, incident="urgent", severity=Severity.CRITICAL))
    line.after(1.0)
    assert line.after(1.0) == ["web: exited, over to you"]


class Cut(InMemoryOutbox):
    """An outbox that cannot be reached while `cut` is set."""

    cut = ""

    def take(self, *args, **options):
        self._check("take")
        return super().take(*args, **options)

    def settle(self, *args, **options):
        self._check("settle")
        return super().settle(*args, **options)

    def _check(self, what: str) -> None:
        if self.cut in {what, "all"}:
            raise BusUnreachableError("Redis is gone")


def test_loss_of_redis_is_sent_without_redis():
    outbox = Cut()
    line = Line(Phone(), outbox)
    outbox.cut = "all"
    line.courier.queue_own(GONE)
    assert line.after(0.0) == ["Redis needs attention"]
    assert line.after(1.0) == ["Redis needs attention"]


def test_loss_of_redis_is_sent_when_the_channel_recovers():
    line = Line(Phone(PASSING))
    line.courier.queue_own(GONE)
    line.after(0.0)
    assert line.after(2.0) == ["Redis needs attention"]


def test_message_that_could_not_be_settled_is_not_repeated():
    outbox = Cut()
    line = Line(Phone(), outbox)
    line.put(HEALED)
    outbox.cut = "settle"
    line.after(0.0)
    outbox.cut = ""
    assert line.after(LEASE_SECONDS) == ["web is healed: exited"]
    assert outbox.take("ops", NOW + 999, lease=0.0, count=9) == []


def test_unsettled_message_is_sent_again_after_a_crash():
    outbox = Cut()
    first, second = Line(Phone(), outbox), Line(Phone(), outbox)
    first.put(HEALED)
    outbox.cut = "settle"
    first.after(0.0)
    outbox.cut = ""
    assert second.after(LEASE_SECONDS - 1) == []
    assert second.after(1.0) == ["web is healed: exited"]


def test_thread_continues_after_any_error(caplog):
    class Broken(InMemoryOutbox):
        def take(self, *args, **options):
            raise RuntimeError("a bug")

    def stop(_):
        if line.clock.time > NOW + 2:
            raise Interrupted

    line = Line(Phone(), Broken())
    line.clock.on_sleep = stop
    line.courier.queue_own(GONE)
    line.courier.run()
    assert line.phone.heard == ["Redis needs attention"]
    assert caplog.text.count("channel_sender.failed") > 1


def test_wait_of_an_hour_is_respected():
    line = Line(Phone(NotifyError("busy", transient=True, wait=1e9)))
    line.put(HEALED)
    line.after(0.1)
    assert line.after(0.2) == []
    assert line.phone.tries == 1
    assert line.after(MAX_RETRY_SECONDS) == ["web is healed: exited"]


def test_unrelated_trouble_is_not_sent_to_the_channel():
    line = Line(Phone(), channel=Channel(topics=(Topic.HEALED,)))
    line.courier.queue_own(GONE)
    assert line.after(0.0) == []


@pytest.mark.parametrize("back", [3600.0, 86400.0])
def test_clock_set_back_does_not_stop_messages(back):
    line = Line(Phone(PASSING))
    line.put(HEALED)
    line.after(1.0)
    line.put(msgspec.structs.replace(make_notification(Topic.FAILED, -back - 10), incident="i2"))
    assert line.after(-back) == ["web: not helped by an action"]


def test_refused_system_message_is_retried_without_blocking():
    line = Line(Phone(LASTING))
    line.courier.queue_own(GONE)
    line.put(HEALED)
    assert line.after(1.0) == ["web is healed: exited"]
    assert line.after(REFUSED_RETRY_SECONDS) == ["web is healed: exited", "Redis needs attention"]
    assert line.after(REFUSED_RETRY_SECONDS) == ["web is healed: exited", "Redis needs attention"]


def test_system_message_is_brief_in_a_brief_channel():
    sent: list[Message] = []
    phone = Phone()
    phone.send = sent.append
    line = Line(phone, channel=Channel(brief=True))
    line.courier.queue_own(GONE)
    line.after(0.0)
    assert [(each.title, each.facts) for each in sent] == [("Redis needs attention", ())]


def test_unformattable_notification_does_not_block_others(monkeypatch):
    line = Line(Phone())
    single = message.single

    def refuse(each: Notification, *arguments: object, **named: object) -> Message:
        if each.container == "evil":
            raise OverflowError("cannot convert float infinity to integer")
        return single(each, *arguments, **named)

    monkeypatch.setattr(message, "single", refuse)
    line.put(make_notification(Topic.HEALED, container="evil", incident="e"), HEALED)
    assert len(line.after(0)) == 1
    line.after(LEASE_SECONDS + 1)
    assert line.outbox.count_waiting("ops") == 0


def test_remembered_failures_are_bounded_while_a_service_is_down():
    line = Line(Phone())
    for number in range(3):
        line.courier._note_refused(
            [make_notification(Topic.HEALED, incident=f"{number}-{each}") for each in range(MAX_REMEMBERED)]
        )
    assert len(line.courier._failed_at) <= 2 * MAX_REMEMBERED
