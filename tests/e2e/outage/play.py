"""Publishes incidents while the roles, the database and the webhook are killed at random."""

import random
import time
from typing import Final, NamedTuple

from hemostat.events import Action, Container, Event, Outcome, Phase, Reason
from tests.e2e.outage.account import Row, account
from tests.e2e.outage.databases import Database
from tests.e2e.outage.site import ROLES, Site, site
from tests.support.engine_fixtures import eventually
from tests.support.samples import NOW, alert, complete, event, needed

LONGEST: Final = 600.0
"""Maximum seconds to wait for one condition."""
MORTAL: Final = (*ROLES, "database", "webhook")
EACH: Final = 10
"""Incidents of a round."""


class Size(NamedTuple):
    """`incidents` come in rounds of kills. In the last round the roles are killed `siege` times while the
    database is down. `hurried`: the roles use short waits, for the short test."""

    incidents: int
    siege: int
    hurried: bool


SHORT: Final = Size(incidents=40, siege=1, hurried=True)
FULL: Final = Size(incidents=200, siege=8, hurried=False)


def play(database: Database, size: Size, seed: int = 7) -> Row:
    chance = random.Random(seed)  # noqa: S311 - the same every time
    rounds = [range(first, first + EACH) for first in range(0, size.incidents, EACH)]
    with site(database, seed, hurried=size.hurried) as at:
        eventually(lambda: len(at.bus.read_last_values("heartbeat")) == len(ROLES), seconds=60)
        for numbers in rounds[:-1]:
            _round(at, chance, numbers)
        _siege(at, rounds[-1], size.siege)
        returned = time.monotonic()
        eventually(at.is_done, seconds=LONGEST)
        seconds = time.monotonic() - returned
        return account(
            database.name,
            {f"i{number}" for number in range(size.incidents)},
            at.said(),
            at.stored(),
            at.heard(),
            at.kills,
            audit=at.audit(),
            seconds=seconds,
        )


def incident(number: int, now: float) -> list[Event]:
    """Return the events of an incident that HemoStat heals or escalates. Every second incident ends with a
    CLEARED alert."""
    web = Container(id=f"c{number}", name=f"web-{number}")
    left = {"action": Action.NONE, "outcome": Outcome.ESCALATED, "reason": Reason.NEEDS_PERSON}
    events = [
        alert(container=web),
        needed(alert=alert(container=web)),
        complete(container=web, **({} if number % 3 else left)),
        alert(container=web, phase=Phase.CLEARED),
    ][: 4 if number % 2 else 3]
    at, name = now - NOW, f"i{number}"
    return [event(data, at + step / 100, incident=name) for step, data in enumerate(events)]


def _round(at: Site, chance: random.Random, numbers: range) -> None:
    """Publish incidents, kill some processes meanwhile, publish more incidents, and start the processes
    again."""
    middle = chance.randrange(1, EACH)
    heard = len(at.heard())
    _tell(at, numbers[:middle])
    enough = chance.randrange(3 * middle)
    if chance.randrange(2):
        eventually(lambda: at.behind() <= enough, seconds=LONGEST)
    else:
        eventually(lambda: len(at.heard()) > heard, seconds=LONGEST)
    victims = chance.sample(MORTAL, chance.randrange(1, len(MORTAL)))
    for victim in victims:
        at.kill(victim)
    _tell(at, numbers[middle:])
    for role in [victim for victim in victims if victim in ROLES]:
        at.begin(role)
    if "database" in victims:
        since = time.time()
        eventually(lambda: at.misses_the_database(since), seconds=LONGEST)
    for other in [victim for victim in victims if victim not in ROLES]:
        at.begin(other)


def _siege(at: Site, numbers: range, count: int) -> None:
    """Kill the roles repeatedly while they hold the same events, which cannot be stored."""
    at.kill("database")
    _tell(at, numbers)
    for _ in range(count):
        handed = at.deliveries()
        for role in ROLES:
            at.kill(role)
            at.begin(role)
        eventually(lambda handed=handed: at.deliveries() > handed, seconds=LONGEST)
    at.begin("database")


def _tell(at: Site, numbers: range) -> None:
    now = time.time()
    at.bus.publish([each for number in numbers for each in incident(number, now)])
