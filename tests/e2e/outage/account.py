"""Compares the events and incidents of the streams with the database and with the messages that were
delivered."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import msgspec

from hemostat.core.notify.formats.slack import SIGNS
from hemostat.core.settings.alert import Topic
from hemostat.events import Event

FLIGHT = {"role": 1, "webhook": 2}
"""Messages that may have been delivered without an acknowledgement when one of these is killed: each of two
roles sends one at a time."""


class Heard(msgspec.Struct, frozen=True):
    """A message that the webhook has received, and when (epoch seconds)."""

    time: float
    incident: str
    text: str


class Kill(msgspec.Struct, frozen=True):
    """`what` is `role`, `database` or `webhook`. `time` (epoch seconds) is when it was killed."""

    time: float
    what: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one database. `missing`, `foreign` and `changed` are events of the database compared
    with those of the streams. `untold` are incidents whose end was not delivered. `twice` are messages that
    were delivered again, of which kills explain `at_most`; `unexplained` are those without a kill between the
    two deliveries. `seconds`: from the last restart of a process until all was done."""

    database: str
    incidents: int
    events: int
    kills: dict[str, int]
    stored: int
    missing: int
    foreign: int
    changed: int
    untold: int
    twice: int
    at_most: int
    unexplained: int
    audit: str
    seconds: float

    @property
    def clean(self) -> bool:
        wrong = (self.missing, self.foreign, self.changed, self.untold, self.unexplained)
        return not any(wrong) and self.stored == self.events and self.twice <= self.at_most and not self.audit


def account(
    database: str,
    incidents: Collection[str],
    said: Sequence[Event],
    stored: Sequence[Event],
    heard: Sequence[Heard],
    kills: Sequence[Kill],
    *,
    audit: str,
    seconds: float,
) -> Row:
    """Return the result. `said` are the events of the streams, `stored` those of the database. `audit` is
    what `audit verify` found wrong; empty for nothing."""
    streams, kept = ({event.id: event for event in events} for events in (said, stored))
    both = streams.keys() & kept.keys()
    again = list(_again(heard))
    return Row(
        database=database,
        incidents=len(incidents),
        events=len(streams),
        kills={what: sum(kill.what == what for kill in kills) for what in ("role", "database", "webhook")},
        stored=len(stored),
        missing=len(streams.keys() - kept.keys()),
        foreign=len(kept.keys() - streams.keys()),
        changed=sum(streams[name] != kept[name] for name in both),
        untold=len({*incidents} - {each.incident for each in heard if not _opens(each)}),
        twice=len(again),
        at_most=sum(FLIGHT.get(kill.what, 0) for kill in kills),
        unexplained=sum(not _explained(first, second, kills) for first, second in again),
        audit=audit,
        seconds=round(seconds, 1),
    )


def _again(heard: Sequence[Heard]) -> Iterator[tuple[Heard, Heard]]:
    """Yield each message that repeats an earlier one, after that one."""
    same: dict[tuple[str, str], list[Heard]] = defaultdict(list)
    for each in sorted(heard, key=lambda each: each.time):
        same[each.incident, each.text].append(each)
    for several in same.values():
        yield from pairwise(several)


def _explained(first: Heard, second: Heard, kills: Sequence[Kill]) -> bool:
    return any(kill.what in FLIGHT and first.time <= kill.time <= second.time for kill in kills)


def _opens(told: Heard) -> bool:
    return told.text.startswith(SIGNS[Topic.OPENED])
