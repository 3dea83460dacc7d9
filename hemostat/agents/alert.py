"""The alert role: every event is kept, a finished remediation and what people have decided is told to people.

People are told before the event is kept, so that a crash between the two tells twice rather than never.
A channel that fails is given up after TRIES, told in the log: it must not keep the others waiting.
"""

import logging
from collections.abc import Sequence
from typing import Final

from hemostat.core.restart import delay
from hemostat.core.story import line, subject
from hemostat.errors import NotifyError
from hemostat.events import Decided, Event, Outcome, RemediationComplete
from hemostat.ports import Clock, Notifier, Store

TRIES: Final = 3
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 5.0

SILENT: Final = frozenset({Outcome.NOT_APPLICABLE, Outcome.WAITING})
"""Outcomes that nobody needs to be woken for."""

logger = logging.getLogger(__name__)


class Alert:
    def __init__(self, store: Store, notifiers: Sequence[Notifier], clock: Clock) -> None:
        self._store = store
        self._notifiers = notifiers
        self._clock = clock

    def step(self, event: Event, _: float) -> list[Event]:
        """Tell people, where there is something to be told."""
        if self._notifiers and _matters(event):
            if self._store.kept(event.id):
                return []
            for notifier in self._notifiers:
                self._notify(notifier, event)
        return []

    def keep(self, events: Sequence[Event]) -> None:
        """Keep what people were told of, before it is acknowledged."""
        for event in self._store.append(events):
            about = subject(event)
            name = about[0].name if about else event.host
            logger.info("%s container=%s incident=%s %s", event.type, name, event.incident, line(event))

    def _notify(self, notifier: Notifier, event: Event) -> None:
        for tries in range(1, TRIES + 1):
            try:
                notifier.notify(event)
            except NotifyError as error:
                logger.warning("notify.failed channel=%s try=%d error=%s", notifier.name, tries, error)
                if not error.transient or tries == TRIES:
                    logger.error("notify.given_up channel=%s event=%s", notifier.name, event.id)  # noqa: TRY400
                    return
                self._clock.sleep(delay(tries, FIRST_WAIT, LONGEST_WAIT))
            else:
                return


def _matters(event: Event) -> bool:
    """An answer to a request is told with what comes of it."""
    match event.data:
        case RemediationComplete(outcome=outcome):
            return outcome not in SILENT
        case Decided():
            return event.incident is None
    return False
