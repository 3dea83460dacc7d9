"""The loop of every role that reads streams."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import inf

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.system_clock import SystemClock
from hemostat.consumer import (
    CURRENT_INCIDENT,
    MAX_DELIVERIES,
    AnswerDeadLetter,
    BatchConsumer,
    ConsumerContext,
    ConsumerLimits,
    EventConsumer,
)
from hemostat.consumer.event_consumer import MAX_QUEUED_PER_THREAD
from hemostat.consumer.stream_loop import CLAIM_IDLE_SECONDS
from hemostat.errors import BusUnreachableError, EngineUnreachableError
from hemostat.events import Event, Heartbeat
from hemostat.ports import Defer, Entry, RunInBackground
from hemostat.streams import ROLES_BY_NAME
from tests.support.consumers import make_consumer_context
from tests.support.engine_fixtures import eventually
from tests.support.samples import NOW, alert, event, needed

ROLE = ROLES_BY_NAME["analyzer"]
FIRST, SECOND = event(alert(), 0.0), event(alert(), 1.0)
ANSWER, LATE = event(needed(), 2.0), event(needed(), 3.0)
BATCHES = ConsumerLimits(ahead=64)
Answer = Sequence[Event] | Defer | RunInBackground


class Loop:
    """A consumer in a thread, on a bus in memory."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = SystemClock(self.stop)
        self.bus = InMemoryBus(self.clock)
        self.seen: list[Event] = []
        self.reported: list[Sequence[str]] = []

    def running(
        self,
        step: Callable[[Event], Answer],
        workers: int = 1,
        answer_dead_letter: AnswerDeadLetter = lambda *_: (),
        describe_warning: Callable[[], str] = str,
    ) -> AbstractContextManager[None]:
        """An EventConsumer."""

        def note(told: Event, _: float, reported: Sequence[str]) -> Answer:
            self.seen.append(told)
            self.reported.append(reported)
            return step(told)

        return self._run(
            EventConsumer(
                self._make_context(),
                ConsumerLimits(workers),
                note,
                answer_dead_letter=answer_dead_letter,
                describe_warning=describe_warning,
            )
        )

    def running_batches(
        self,
        handle: Callable[[Sequence[Event]], object],
        limits: ConsumerLimits = BATCHES,
        describe_warning: Callable[[], str] = str,
    ) -> AbstractContextManager[None]:
        """A BatchConsumer."""
        return self._run(
            BatchConsumer(self._make_context(), limits, handle, describe_warning=describe_warning)
        )

    def _make_context(self) -> ConsumerContext:
        return make_consumer_context(ROLE, self.bus, self.clock, self.stop)

    @contextmanager
    def _run(self, consumer: EventConsumer | BatchConsumer) -> Iterator[None]:
        self.thread = threading.Thread(target=consumer.run)
        self.thread.start()
        try:
            yield
        finally:
            self.stop.set()
            self.thread.join()

    def lag(self) -> int:
        return self.bus.count_lag("analyzer", ROLE.reads)

    def answers(self) -> list[Event]:
        return self.bus.read_recent("remediation_needed", 10)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_result_is_published_and_the_event_acknowledged(loop):
    loop.bus.publish([FIRST])
    with loop.running(lambda _: [ANSWER]):
        eventually(lambda: loop.lag() == 0)
    assert loop.answers() == [ANSWER]


def test_failing_event_becomes_a_dead_letter_with_its_error(loop):
    loop.bus.publish([FIRST, SECOND])

    def step(told: Event) -> list[Event]:
        if told == FIRST:
            raise ValueError("poison password=Hx7q9Zw2k")
        return [ANSWER]

    with loop.running(step):
        eventually(lambda: loop.lag() == 0)
    assert [error for _, error in loop.bus.dead_letters] == [
        "ValueError: poison password=[redacted: password]"
    ]
    assert loop.seen.count(FIRST) == MAX_DELIVERIES
    assert loop.answers() == [ANSWER]


@pytest.mark.parametrize("told", [True, False])
def test_dead_letter_is_published(loop, told):
    """If the role can say anything; that it cannot keeps nobody up either."""
    loop.bus.publish([FIRST])
    said: list[tuple[Event, str]] = []

    def buried(event: Event, error: str, _: float) -> list[Event]:
        if not told:
            raise KeyError(event.id)
        said.append((event, error))
        return [ANSWER]

    with loop.running(lambda _: 1 / 0, answer_dead_letter=buried):
        eventually(lambda: loop.lag() == 0)
    assert said == ([(FIRST, "ZeroDivisionError: division by zero")] if told else [])
    assert (loop.bus.count_dead_letters(), loop.answers()) == (1, [ANSWER] if told else [])


def test_invalid_event_becomes_a_dead_letter(loop):
    loop.bus.put_raw("health_alert", b"\xff{ nonsense")
    loop.bus.publish([SECOND])
    with loop.running(lambda _: []):
        eventually(lambda: loop.lag() == 0)
    assert len(loop.bus.dead_letters) == 1
    assert loop.seen == [SECOND]


def test_event_is_stored_before_it_is_acknowledged(loop):
    """However often that takes: what cannot be kept now is neither lost nor done again."""
    loop.bus.publish([FIRST])
    kept = []

    def keep(events: Sequence[Event]) -> None:
        kept.append((list(events), loop.lag()))
        if len(kept) == 1:
            raise BusUnreachableError("gone for a moment")

    with loop.running_batches(keep):
        eventually(lambda: loop.lag() == 0)
    assert kept == [([FIRST], 1)] * 2


def test_transient_error_is_retried(loop):
    loop.bus.publish([FIRST])
    failures = [EngineUnreachableError("gone")] * 7

    def step(_: Event) -> list[Event]:
        if failures:
            raise failures.pop()
        return [ANSWER]

    with loop.running(step):
        eventually(lambda: loop.lag() == 0)
    assert (loop.answers(), loop.bus.dead_letters) == ([ANSWER], [])


def test_deferred_event_is_delivered_again(loop):
    loop.bus.publish([FIRST])

    def step(_: Event) -> list[Event] | Defer:
        return [ANSWER] if len(loop.seen) > 1 else Defer(loop.clock.now(), "back-off")

    with loop.running(step):
        eventually(loop.answers)
    assert loop.seen == [FIRST] * 3, "again beside the stream, to see whether it must still wait"


def test_deferred_event_returns_with_the_reasons_reported(loop):
    loop.bus.publish([FIRST])

    def step(_: Event) -> list[Event] | Defer:
        reason = ("paused", "approval", "")[len(loop.reported[-1])]
        return Defer(loop.clock.now(), "it waits", reported=reason) if reason else [ANSWER]

    with loop.running(step):
        eventually(loop.answers)
    assert loop.seen == [FIRST] * 5
    both = ("paused", "approval")
    assert loop.reported == [(), both[:1], both[:1], both, both]


def test_unfinished_event_of_this_consumer_is_resumed(loop):
    loop.bus.publish([FIRST])
    loop.bus.read("analyzer", "i", ROLE.reads, count=1, timeout=0)
    with loop.running(lambda _: [ANSWER]):
        eventually(lambda: loop.lag() == 0)
    assert loop.answers() == [ANSWER]


def test_pending_event_stays_for_the_next_run_after_a_stop(loop):
    loop.bus.publish([FIRST])

    def step(_: Event) -> list[Event]:
        loop.stop.set()
        loop.clock.sleep(60)
        return [ANSWER]

    with loop.running(step):
        eventually(loop.stop.is_set)
    assert (loop.answers(), loop.lag()) == ([], 1)


@pytest.mark.parametrize("background", [False, True])
def test_stopped_consumer_releases_what_it_has_not_finished(loop, background):
    loop.bus.publish([FIRST])

    def wait_until_stopped(_: object) -> list[Event]:
        loop.stop.set()
        loop.clock.sleep(60)
        return [ANSWER]

    later = RunInBackground(work=wait_until_stopped, otherwise=lambda _: [])
    with loop.running(lambda told: later if background else wait_until_stopped(told)):
        eventually(loop.stop.is_set)
    (entry,) = loop.bus.claim("analyzer", "another", ROLE.reads, idle=CLAIM_IDLE_SECONDS)
    assert entry.event == FIRST


def test_slow_event_does_not_delay_others(loop):
    loop.bus.publish([FIRST, SECOND])
    done = threading.Event()

    def step(told: Event) -> list[Event]:
        if told == FIRST:
            assert done.wait(20)
        else:
            done.set()
        return []

    with loop.running(step, workers=2):
        eventually(lambda: loop.lag() == 0)
    assert loop.bus.dead_letters == []


def test_slow_event_does_not_delay_those_read_with_it(loop):
    events = [event(alert(), float(number)) for number in range(8)]
    loop.bus.publish(events)
    slowly = threading.Event()

    def step(entry: Event, *_: object) -> list[Event]:
        if entry == events[0]:
            slowly.wait(20)
        return []

    with loop._run(EventConsumer(loop._make_context(), ConsumerLimits(workers=2, ahead=15), step)):
        eventually(lambda: loop.lag() == 1)
        slowly.set()
        eventually(lambda: loop.lag() == 0)


def test_heartbeat_contains_the_lag(loop):
    with loop.running(lambda _: []):
        eventually(lambda: loop.bus.read_last_values("heartbeat"))
    beat = loop.bus.read_last_values("heartbeat")[0].data
    assert isinstance(beat, Heartbeat)
    assert (beat.role, beat.instance, beat.lag) == ("analyzer", "i", 0)


class Flaky(InMemoryBus):
    """A bus that fails to acknowledge, once."""

    failed = False

    def ack_all(self, role: str, finished: Sequence[tuple[Entry, Sequence[Event]]]) -> None:
        if not self.failed:
            self.failed = True
            raise BusUnreachableError("Redis is gone")
        super().ack_all(role, finished)


def test_short_bus_outage_processes_each_event_once(loop):
    loop.bus = Flaky(loop.clock)
    loop.bus.publish([FIRST])
    with loop.running(lambda _: [ANSWER]):
        eventually(lambda: loop.lag() == 0)
    assert (loop.seen, loop.answers()) == ([FIRST], [ANSWER])


class Lossy(InMemoryBus):
    """A bus whose first answer with entries in it is lost on the way."""

    lost = False

    def read(self, role: str, consumer: str, streams: Sequence[str], *, count: int, timeout: float) -> list:
        entries = super().read(role, consumer, streams, count=count, timeout=timeout)
        if entries and not self.lost:
            self.lost = True
            raise BusUnreachableError("the connection broke")
        return entries


def test_entries_of_a_lost_response_are_requested_again(loop):
    loop.bus = Lossy(loop.clock)
    loop.bus.publish([FIRST])
    with loop.running(lambda _: [ANSWER]):
        eventually(loop.answers)
    assert (loop.seen, loop.answers()) == ([FIRST], [ANSWER])


class Frozen(Lossy):
    """Redis was stopped for a while: what was asked of it meanwhile it does when it goes on, for nobody."""

    unanswered = MAX_DELIVERIES

    def read_unfinished(self, role: str, consumer: str, streams: Sequence[str]) -> list[Entry]:
        entries = super().read_unfinished(role, consumer, streams)
        if entries and self.unanswered:
            self.unanswered -= 1
            raise BusUnreachableError("no answer")
        return entries


def test_lost_responses_do_not_exhaust_deliveries(loop):
    loop.bus = Frozen(loop.clock)
    loop.bus.publish([FIRST])
    with loop.running(lambda _: [ANSWER]):
        eventually(lambda: loop.lag() == 0)
    assert (loop.seen, loop.answers(), loop.bus.dead_letters) == ([FIRST], [ANSWER], [])


def test_running_event_is_not_started_twice_on_lost_responses(loop):
    loop.bus = Lossy(loop.clock)
    loop.bus.lost = True
    loop.bus.publish([FIRST])
    done = threading.Event()

    def step(told: Event) -> list[Event]:
        if told == FIRST:
            loop.bus.lost = False
            loop.bus.publish([SECOND])
            assert done.wait(20)
        done.set()
        return []

    with loop.running(step, workers=2):
        eventually(lambda: loop.lag() == 0)
    assert loop.seen == [FIRST, SECOND]


class Adjustable(SystemClock):
    """A clock that somebody sets."""

    behind = 0.0

    def now(self) -> float:
        return super().now() - self.behind


def test_clock_set_back_delays_nothing(loop):
    loop.clock = Adjustable(loop.stop)
    loop.bus = InMemoryBus(loop.clock)
    loop.bus.publish([FIRST])

    def step(_: Event) -> list[Event] | Defer:
        return [ANSWER] if len(loop.seen) > 1 else Defer(loop.clock.now() + 60, "back-off")

    with loop.running(step):
        eventually(lambda: len(loop.seen) == 1 and loop.lag() == 0)
        loop.clock.behind = 3600.0
        eventually(loop.answers)
        eventually(lambda: loop.bus.read_last_values("heartbeat")[0].time < loop.clock.now() + 60)
    assert loop.seen == [FIRST, FIRST]


def test_events_behind_a_killing_entry_are_processed(loop):
    loop.bus.publish([FIRST, SECOND])
    loop.bus.read("analyzer", "i", ROLE.reads, count=2, timeout=0)
    for _ in range(MAX_DELIVERIES):
        loop.bus.extend_delivery("analyzer", "i", loop.bus.read_unfinished("analyzer", "i", ROLE.reads))
    with loop.running(lambda _: [ANSWER]):
        eventually(lambda: loop.lag() == 0)
    assert [error for _, error in loop.bus.dead_letters] == [
        f"given up after {MAX_DELIVERIES + 1} deliveries"
    ]
    assert (loop.seen, loop.answers()) == ([SECOND], [ANSWER])


def test_slow_work_does_not_delay_quick_events(loop):
    loop.bus.publish([FIRST, SECOND])
    slowly = threading.Event()

    def long_work(_: float) -> list[Event]:
        slowly.wait(10)
        return [LATE]

    def step(told: Event) -> Sequence[Event] | RunInBackground:
        return RunInBackground(long_work, lambda _: []) if told == FIRST else [ANSWER]

    with loop.running(step):
        eventually(lambda: loop.answers() == [ANSWER])
        assert loop.lag() == 1
        slowly.set()
        eventually(lambda: loop.lag() == 0)
    assert loop.answers() == [ANSWER, LATE]


def test_fallback_is_used_when_no_background_slot_is_free(loop):
    many = [event(alert(), float(number)) for number in range(MAX_QUEUED_PER_THREAD + 1)]
    loop.bus.publish(many)
    slowly = threading.Event()

    def long_work(_: float) -> list[Event]:
        slowly.wait(10)
        return []

    with loop.running(lambda _: RunInBackground(long_work, lambda _: [ANSWER])):
        eventually(lambda: loop.answers() == [ANSWER])
        assert loop.lag() == MAX_QUEUED_PER_THREAD
        slowly.set()
        eventually(lambda: loop.lag() == 0)


def test_failing_background_work_becomes_a_dead_letter(loop):
    loop.bus.publish([FIRST])

    def poison(_: float) -> list[Event]:
        raise ValueError("poison")

    with loop.running(lambda _: RunInBackground(poison, lambda _: [])):
        eventually(lambda: loop.lag() == 0)
    assert [error for _, error in loop.bus.dead_letters] == ["ValueError: poison"]


SURROGATE = msgspec.structs.replace(event(needed(), 4.0), host="half of a pair: \ud800")


def test_unencodable_result_does_not_delay_others(loop):
    loop.bus.publish([SECOND, FIRST])

    def step(told: Event) -> list[Event]:
        return [SURROGATE if told == FIRST else ANSWER]

    with loop.running(step):
        eventually(lambda: loop.lag() == 0)
    assert [entry.event for entry, _ in loop.bus.dead_letters] == [FIRST]
    assert loop.answers() == [ANSWER]


def test_unencodable_dead_letter_event_is_left_out(loop):
    loop.bus.publish([FIRST, SECOND])

    def step(told: Event) -> list[Event]:
        return [ANSWER] if told == SECOND else 1 / 0

    with loop.running(step, answer_dead_letter=lambda *_: [SURROGATE]):
        eventually(lambda: loop.lag() == 0)
    assert (loop.bus.count_dead_letters(), loop.answers()) == (1, [ANSWER])


def test_event_that_cannot_be_deferred_is_a_dead_letter(loop):
    loop.bus.publish([FIRST, SECOND])

    def step(told: Event) -> list[Event] | Defer:
        return [ANSWER] if told == SECOND else Defer(until=0.0, why="", outputs=(SURROGATE,))

    with loop.running(step):
        eventually(lambda: loop.lag() == 0)
    assert (loop.bus.count_dead_letters(), loop.answers()) == (1, [ANSWER])


def test_event_that_cannot_be_stored_delays_no_other(loop):
    """Whoever keeps many together: the store, and the alert role."""
    events = [event(alert(), float(number)) for number in range(30)]
    kept: list[Event] = []

    def keep(batch: Sequence[Event]) -> None:
        if events[7] in batch:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        kept.extend(batch)

    loop.bus.publish(events)
    with loop.running_batches(keep):
        eventually(lambda: loop.lag() == 0)
    assert {each.id for each in kept} == {each.id for each in events} - {events[7].id}
    assert [entry.event for entry, _ in loop.bus.dead_letters] == [events[7]]


def test_entries_that_are_finished_together_are_acknowledged_together(loop, monkeypatch):
    batches: list[int] = []

    def count_entries(group, entries):
        batches.append(len(entries))
        InMemoryBus.ack_all(loop.bus, group, entries)

    monkeypatch.setattr(loop.clock, "now", lambda: NOW)
    monkeypatch.setattr(loop.bus, "ack_all", count_entries)
    loop.bus.publish([event(alert(), at) for at in range(5)])
    with loop._run(EventConsumer(loop._make_context(), ConsumerLimits(ahead=9), lambda *_: [])):
        eventually(lambda: loop.lag() == 0)
    assert batches == [5]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failing_store_is_not_an_error_of_each_event(loop):
    def keep(_: Sequence[Event]) -> None:
        raise OverflowError("the store's own fault")

    loop.bus.publish([FIRST, SECOND])
    with loop.running_batches(keep):
        loop.thread.join(20)
    assert (loop.bus.count_dead_letters(), loop.lag()) == (0, 2)


def test_role_works_without_its_heartbeat(loop):
    loop.bus.publish([FIRST])
    with loop.running(lambda _: [ANSWER], describe_warning=lambda: str(1 / 0)):
        eventually(lambda: loop.lag() == 0)
        eventually(lambda: loop.bus.read_last_values("heartbeat"))
    (beat,) = loop.bus.read_last_values("heartbeat")
    assert beat.data.trouble == "its status check fails: ZeroDivisionError; details are in the log"


# --- batches --------------------------------------------------------------------------------------------


def test_batch_consumer_handles_waiting_events_in_one_batch(loop):
    events = [event(alert(), float(number)) for number in range(30)]
    batches: list[Sequence[Event]] = []
    loop.bus.publish(events)
    with loop.running_batches(batches.append):
        eventually(lambda: loop.lag() == 0)
    assert batches == [events]


def test_batch_consumer_moves_an_undecodable_entry_to_the_dead_letters(loop):
    loop.bus.put_raw("health_alert", b"\xff{ nonsense")
    loop.bus.publish([SECOND])
    batches: list[Sequence[Event]] = []
    with loop.running_batches(batches.append):
        eventually(lambda: loop.lag() == 0)
    assert (len(loop.bus.dead_letters), batches) == (1, [[SECOND]])


@pytest.mark.parametrize(("max_deliveries", "handled"), [(MAX_DELIVERIES, []), (inf, [[FIRST]])])
def test_batch_consumer_gives_an_entry_up_after_max_deliveries(loop, max_deliveries, handled):
    loop.bus.publish([FIRST])
    loop.bus.read("analyzer", "i", ROLE.reads, count=1, timeout=0)
    for _ in range(MAX_DELIVERIES):
        loop.bus.extend_delivery("analyzer", "i", loop.bus.read_unfinished("analyzer", "i", ROLE.reads))
    batches: list[Sequence[Event]] = []
    with loop.running_batches(batches.append, ConsumerLimits(deliveries=max_deliveries)):
        eventually(lambda: loop.lag() == 0)
    assert (batches, [error for _, error in loop.bus.dead_letters]) == (
        handled,
        [] if handled else [f"given up after {MAX_DELIVERIES + 1} deliveries"],
    )


def test_batch_consumer_leaves_its_entries_when_it_is_told_to_stop(loop):
    loop.bus.publish([FIRST])

    def handle(_: Sequence[Event]) -> None:
        loop.stop.set()
        loop.clock.sleep(60)

    with loop.running_batches(handle):
        eventually(loop.stop.is_set)
    assert loop.lag() == 1


def test_heartbeat_of_a_batch_consumer_shows_its_warning(loop):
    with loop.running_batches(lambda _: None, describe_warning=lambda: "the disk is full"):
        eventually(lambda: loop.bus.read_last_values("heartbeat"))
    assert loop.bus.read_last_values("heartbeat")[0].data.trouble == "the disk is full"


def test_deferred_event_is_decided_again_with_its_incident_in_the_log(loop):
    loop.bus.publish([FIRST])
    incidents: list[str] = []

    def step(_: Event) -> list[Event] | Defer:
        incidents.append(CURRENT_INCIDENT.get())
        return [ANSWER] if len(loop.seen) > 1 else Defer(loop.clock.now(), "back-off")

    with loop.running(step):
        eventually(loop.answers)
    assert incidents == [FIRST.incident] * 3
