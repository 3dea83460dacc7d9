"""Finishes a role's entry of a stream: acknowledges it, defers it, or moves it to the dead letters with its
error.

Entries are acknowledged together, which costs less. Where that raises, each is acknowledged separately, so
that one event does not block the others. Outputs that cannot be published are left out, and the entry is
moved anyway: an entry that could be neither handled nor moved would end its role repeatedly.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hemostat.consumer.context import MAX_DELIVERIES, AnswerDeadLetter, ConsumerContext
from hemostat.core.backoff import compute_backoff
from hemostat.core.redact import redact
from hemostat.errors import AdapterError
from hemostat.events import Event, encode
from hemostat.ports import Defer, Entry
from hemostat.retry import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS

MAX_ERROR_CHARACTERS: Final = 1000
"""Maximum characters of the error stored with a dead letter."""

FinishedEntry = tuple[Entry, Sequence[Event]]
"""An entry, and the events to publish when it is acknowledged."""

logger = logging.getLogger(__name__)


class Acknowledger:
    """Finishes entries. Safe to use from several threads."""

    def __init__(
        self,
        context: ConsumerContext,
        *,
        handle_first: Callable[[Sequence[Event]], object] = lambda _: None,
        answer_dead_letter: AnswerDeadLetter = lambda *_: (),
    ) -> None:
        """`handle_first` receives the events that are about to be acknowledged."""
        self._bus = context.bus
        self._group = context.group
        self._clock = context.clock
        self._retry = context.retry
        self._handle_first = handle_first
        self._answer_dead_letter = answer_dead_letter
        self._acknowledged = 0
        """Entries acknowledged since the role started."""

    def acknowledge(self, done: Sequence[FinishedEntry]) -> None:
        """Acknowledge entries. Raises where nothing shows that a single entry is the cause: others might fail
        in the same way."""
        if not done or self._try_acknowledge(done) is None:
            return
        before = self._acknowledged
        failed = [each for each in done if self._try_acknowledge([each]) is not None]
        for each in failed:
            error = self._retry_acknowledge(each)
            if error is None:
                continue
            if self._acknowledged == before and can_be_encoded(each[1]):
                raise error
            self.bury(each[0], describe_exception(error))

    def _retry_acknowledge(self, one: FinishedEntry) -> Exception | None:
        error = None
        for tries in range(1, MAX_DELIVERIES):
            self._clock.sleep(compute_backoff(tries, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS))
            error = self._try_acknowledge([one])
            if error is None:
                return None
        return error

    def _try_acknowledge(self, done: Sequence[FinishedEntry]) -> Exception | None:
        events = [entry.event for entry, _ in done if entry.event is not None]
        try:
            self._retry(lambda: self._handle_first(events))
            self._retry(lambda: self._bus.ack_all(self._group, done))
        except AdapterError:
            raise
        except Exception as error:
            logger.exception("acknowledgement.failed entries=%d", len(done))
            return error
        self._acknowledged += len(done)
        return None

    def put_off(self, entry: Entry, later: Defer) -> None:
        # A deferred entry is decided again repeatedly: only those with events for users are logged at INFO.
        level = logging.INFO if later.outputs else logging.DEBUG
        logger.log(level, "event.deferred reason=%s", later.why)
        try:
            if later.reported:
                entry = msgspec.structs.replace(entry, notes=(*entry.notes, later.reported))
            self._retry(lambda: self._bus.defer(self._group, entry, later.until, later.outputs))
        except AdapterError:
            raise
        except Exception as error:
            logger.exception("deferral.failed id=%s", entry.id)
            self.bury(entry, describe_exception(error))

    def bury(self, entry: Entry, error: str) -> None:
        """Move an entry to the dead letters. The role's own events about it concern the incident; the alert
        role notifies of dead letters (core.notify.dead_letters)."""
        reason = redact(error[:MAX_ERROR_CHARACTERS]).encode(errors="replace").decode()
        logger.error("dead_letter.written stream=%s id=%s error=%s", entry.stream, entry.id, reason)
        outputs = self._collect_last_events(entry, reason)
        try:
            self._move(entry, reason, outputs)
        except AdapterError:
            raise
        except Exception:
            if not outputs:
                raise
            logger.exception("dead_letter.publish_failed id=%s", entry.id)
            self._move(entry, reason, ())

    def _move(self, entry: Entry, error: str, outputs: Sequence[Event]) -> None:
        now = self._clock.now()
        self._retry(lambda: self._bus.move_to_dead_letters(self._group, entry, error, now, outputs))

    def _collect_last_events(self, entry: Entry, error: str) -> Sequence[Event]:
        try:
            return (
                [] if entry.event is None else self._answer_dead_letter(entry.event, error, self._clock.now())
            )
        except Exception:
            logger.exception("dead_letter.report_failed id=%s", entry.id)
            return []


def can_be_encoded(events: Sequence[Event]) -> bool:
    try:
        for event in events:
            encode(event)
    except Exception:  # noqa: BLE001 - any error counts
        return False
    return True


def describe_exception(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
