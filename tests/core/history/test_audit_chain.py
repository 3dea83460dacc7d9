"""The audit chain shows what was done to the stored rows."""

import msgspec
import pytest

from hemostat.core.history.audit_chain import (
    AcceptedFindings,
    AnchorNotes,
    ChainEnds,
    ChainPosition,
    bind_rows,
    verify_chain,
)
from hemostat.core.history.event_row import build_row
from tests.support.samples import NOW, alert, event

ROWS = bind_rows([build_row(event(alert(), number), NOW) for number in range(4)], ChainPosition())
HEAD = ChainPosition(4, ROWS[-1].hash)
ENDS = ChainEnds(trail="t", head=HEAD)


def find(links=ROWS, ends=ENDS, **notes) -> list[tuple[str, int]]:
    return [(each.what, each.number) for each in verify_chain(links, ends, AnchorNotes(**notes))]


def test_untouched_chain_has_no_findings():
    assert find(trail="t", anchor=ChainPosition(), head=HEAD) == []


@pytest.mark.parametrize(
    ("links", "findings"),
    [
        ([msgspec.structs.replace(ROWS[0], record=ROWS[1].record), *ROWS[1:]], [("changed", 1)]),
        ([ROWS[0], *ROWS[2:]], [("removed", 2)]),
        (ROWS[:3], [("cut_off", 3)]),
        ([ROWS[1], ROWS[0], *ROWS[2:]], [("removed", 1), ("reordered", 1), ("removed", 2)]),
    ],
)
def test_change_of_rows_is_found_at_its_row(links, findings):
    assert find(links) == findings


def test_row_other_than_the_accepted_one_is_replaced():
    accepted = AcceptedFindings(head=ChainPosition(2, ROWS[1].hash), by="ann")
    assert find(accepted=accepted) == []
    other = AcceptedFindings(head=ChainPosition(2, ROWS[0].hash), by="ann")
    assert find(accepted=other) == [("replaced", 2)]


def test_end_that_differs_from_the_note_is_found():
    assert find(head=ChainPosition(4, ROWS[0].hash)) == [("changed", 4)]
    assert find(head=ChainPosition(6, ROWS[0].hash)) == [("cut_off", 4)]
    assert find(trail="other") == [("replaced", 0)]
