"""What became of every event and every incident: the streams against the database and what people heard."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import msgspec

from hemostat.adapters.notify.slack import SIGNS
from hemostat.core.settings.alert import Topic
from hemostat.events import Event

FLIGHT = {"role": 1, "webhook": 2}
"""Messages that may be under way, told and not known to be, when one of these is killed: each of two roles
sends one at a time."""


class Heard(msgspec.Struct, frozen=True):
    """One message as the webhook took it (epoch seconds)."""

    time: float
    incident: str
    text: str


class Kill(msgspec.Struct, frozen=True):
    """`what` is `role`, `database` or `webhook`; `time` (epoch seconds) is when it was gone."""

    time: float
    what: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """`missing`, `foreign` and `changed` are events of the database against those of the streams; `untold`
    are incidents whose end nobody heard of; `twice` are messages heard again, `at_most` what the kills
    explain, `unexplained` those with no kill between the two. `seconds`: from the last return until all was
    done."""

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
    """`said` are the events on the streams, `stored` those of the database; `audit` what `audit verify` found
    wrong, empty for nothing."""
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
    """Every message that says what one before it has said, with that one."""
    same: dict[tuple[str, str], list[Heard]] = defaultdict(list)
    for each in sorted(heard, key=lambda each: each.time):
        same[each.incident, each.text].append(each)
    for several in same.values():
        yield from pairwise(several)


def _explained(first: Heard, second: Heard, kills: Sequence[Kill]) -> bool:
    return any(kill.what in FLIGHT and first.time <= kill.time <= second.time for kill in kills)


def _opens(told: Heard) -> bool:
    return told.text.startswith(SIGNS[Topic.OPENED])
