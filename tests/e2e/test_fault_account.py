"""The account of the fault table notices lost and doubled actions, and those over budget."""

import pytest

from hemostat.events import Outcome, Reason
from tests.e2e.faults.account import Happening, account
from tests.support.samples import NOW, WEB, alert, complete, event

DEATH = Happening(NOW, WEB.id, "die")
START = Happening(NOW + 3, WEB.id, "start")
ALERT = event(alert())
REFUSED = complete(outcome=Outcome.REFUSED, reason=Reason.BUDGET_SPENT)
WAITING = complete(outcome=Outcome.WAITING, reason=Reason.PAUSED)


@pytest.mark.parametrize(
    ("events", "waiting", "told"),
    [
        ([ALERT, event(complete())], 0, "closed"),
        ([ALERT, event(REFUSED)], 0, "escalated"),
        ([ALERT, event(WAITING)], 0, "open"),
        ([ALERT], 1, "open"),
        ([ALERT], 0, "lost"),
        ([], 1, "lost"),
        ([ALERT, event(complete(occurrence=2))], 0, "lost"),
    ],
)
def test_death_is_counted_by_its_outcome(events, waiting, told):
    row = account(
        "f", [DEATH], events, [DEATH, START], ended=NOW + 1, budget=3, waiting=waiting, shown=["i1"]
    )
    counts = {"closed": row.closed, "escalated": row.escalated, "open": row.open, "lost": row.lost}
    assert counts == {**dict.fromkeys(counts, 0), told: 1}
    assert (row.clean, row.recovered) == (told != "lost", 2.0)


@pytest.mark.parametrize(("events", "waiting"), [([ALERT, event(WAITING)], 0), ([ALERT], 1)])
def test_open_incident_that_is_not_shown_is_lost(events, waiting):
    row = account("f", [DEATH], events, [], ended=NOW, budget=3, waiting=waiting, shown=["another"])
    assert (row.open, row.lost) == (0, 1)
    assert "hemostat status" in row.note


def test_surplus_starts_are_doubled_or_over_budget():
    events = [ALERT, event(complete())]
    row = account("f", [DEATH], events, [DEATH, START, START], ended=NOW, budget=1)
    assert (row.doubled, row.over_budget, row.clean) == (1, 1, False)
