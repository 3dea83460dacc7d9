"""Whatever is killed of the alert role, its database and its webhook, the database gets all events of the
streams, and every incident is notified: `tests.e2e.outage` in short, and the way it counts."""

import msgspec
import pytest

from tests.e2e.outage import DATABASES, SHORT, play
from tests.e2e.outage.account import Heard, Kill, Row, account
from tests.support.samples import NOW, alert, complete, event

SAID = [event(alert()), event(complete(), 3.0)]
HEALED = Heard(NOW, "i1", ":white_check_mark: web is healed: exited")
OPENED = Heard(NOW, "i1", ":warning: web: exited")
AGAIN = msgspec.structs.replace(HEALED, time=NOW + 2)
KILLS = [Kill(NOW + 1, "role"), Kill(NOW + 1, "database")]


@pytest.mark.redis
@pytest.mark.parametrize("name", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_store_equals_streams_and_all_incidents_are_notified(name, request):
    if name == "postgresql":
        request.getfixturevalue("postgres_server")  # skips where there is none
    with DATABASES[name]() as database:
        row = play(database, SHORT)
    assert row.clean, row


def counted(stored=SAID, heard=(HEALED,), kills=KILLS, audit="") -> Row:
    return account("d", {"i1"}, SAID, stored, heard, kills, audit=audit, seconds=0.0)


def test_correct_row_is_clean():
    row = counted(heard=[OPENED, HEALED, AGAIN])
    assert row.clean
    assert (row.events, row.stored, row.twice, row.at_most, row.kills["role"]) == (2, 2, 1, 1, 1)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({"stored": SAID[:1]}, {"missing": 1}),
        ({"stored": [*SAID, event(alert(), 9.0)]}, {"foreign": 1}),
        ({"stored": [*SAID, SAID[0]]}, {"stored": 3}),
        ({"stored": [SAID[0], msgspec.structs.replace(SAID[1], host="h2")]}, {"changed": 1}),
        ({"heard": []}, {"untold": 1}),
        ({"heard": [OPENED]}, {"untold": 1}),
        ({"heard": [HEALED, AGAIN], "kills": [Kill(NOW + 1, "database")]}, {"twice": 1, "unexplained": 1}),
        ({"heard": [HEALED, AGAIN], "kills": [Kill(NOW + 3, "role")]}, {"unexplained": 1}),
        ({"heard": [HEALED, HEALED, HEALED], "kills": [Kill(NOW, "role")]}, {"twice": 2, "at_most": 1}),
        ({"audit": "row 1 removed"}, {"audit": "row 1 removed"}),
    ],
)
def test_errors_are_counted(found, wrong):
    row = counted(**found)
    assert not row.clean
    assert {name: getattr(row, name) for name in wrong} == wrong
