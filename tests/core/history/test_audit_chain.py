"""Findings of `verify_chain` in a chain of rows, and what it accepts."""

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from hemostat.core.history.audit_chain import (
    INITIAL_HASH,
    AcceptedFindings,
    AnchorNotes,
    AuditFinding,
    ChainEnds,
    ChainPosition,
    ChainRow,
    RowHasher,
    bind_rows,
    compress_findings,
)
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventRow, build_row
from tests.support.samples import NOW, alert, event

ROWS: Final = 6
KEY, OTHER_KEY = b"a key", b"another key"
CHAIN: Final = "c1"
UNKNOWN: Final = AnchorNotes()
"""Nothing is known outside the database."""

Rows = list[ChainRow]


def make_row(number: int) -> EventRow:
    return build_row(event(alert(), float(number), incident=f"i{number}"), NOW + number)


def make_chain(*keys: bytes, rows: int = ROWS) -> Rows:
    return bind_rows([make_row(number) for number in range(rows)], ChainPosition(), RowHasher(CHAIN, keys))


def position(row: ChainRow) -> ChainPosition:
    return ChainPosition(row.number, row.hash)


def ends_of(rows: Sequence[ChainRow], anchor: ChainPosition | None = None) -> ChainEnds:
    return ChainEnds(trail=CHAIN, anchor=anchor or ChainPosition(), head=position(rows[-1]))


def verify(
    rows: Sequence[ChainRow], ends: ChainEnds, notes: AnchorNotes = UNKNOWN, *keys: bytes
) -> list[tuple[str, int]]:
    return [(each.what, each.number) for each in verify_chain(rows, ends, notes, keys)]


def finding(what: str, number: int) -> AuditFinding:
    return AuditFinding(what=what, number=number, id="", text="")


def replace_body(row: ChainRow, *, rehash: bool = False) -> ChainRow:
    record = msgspec.structs.replace(row.record, body="{}")
    changed = msgspec.structs.replace(row, record=record)
    return (
        msgspec.structs.replace(changed, hash=RowHasher().hash_row(row.before, record)) if rehash else changed
    )


def renumber(rows: Sequence[ChainRow]) -> Rows:
    return [msgspec.structs.replace(row, number=number) for number, row in enumerate(rows, 1)]


def test_empty_chain_has_no_findings():
    assert verify([], ChainEnds(trail=CHAIN)) == []


def test_empty_chain_is_cut_off_when_its_head_is_a_row():
    rows = make_chain()
    assert verify([], ends_of(rows)) == [("cut_off", 0)]


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_intact_chain_has_no_findings(keys):
    rows = make_chain(*keys)
    notes = AnchorNotes(anchor=ChainPosition(), head=position(rows[-1]), trail=CHAIN)
    assert verify(rows, ends_of(rows), UNKNOWN, *keys) == []
    assert verify(rows, ends_of(rows), notes, *keys) == []


def test_chain_starts_at_the_initial_hash_and_links_row_to_row():
    rows = make_chain()
    assert [row.before for row in rows] == [INITIAL_HASH, *(row.hash for row in rows[:-1])]
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("field", EventRow.__struct_fields__)
def test_row_is_changed_when_any_field_differs(field):
    rows = make_chain()
    value = 1.0 if field in {"time", "kept"} else "other"
    rows[2] = msgspec.structs.replace(
        rows[2], record=msgspec.structs.replace(rows[2].record, **{field: value})
    )
    assert verify(rows, ends_of(rows)) == [("changed", 3)]


def test_changed_row_with_a_new_hash_breaks_the_link_to_the_next_row():
    rows = make_chain()
    rows[2] = replace_body(rows[2], rehash=True)
    assert verify(rows, ends_of(rows)) == [("reordered", 4)]


def test_changed_last_row_with_a_new_hash_differs_from_the_head():
    rows = make_chain()
    ends = ends_of(rows)
    rows[-1] = replace_body(rows[-1], rehash=True)
    assert verify(rows, ends) == [("cut_off", ROWS)]


def test_rewritten_chain_differs_from_the_noted_head():
    rows = make_chain()
    noted = AnchorNotes(head=position(rows[3]))
    forged = bind_rows([make_row(number + 10) for number in range(ROWS)], ChainPosition())
    assert verify(forged, ends_of(forged), noted) == [("changed", 4)]


@pytest.mark.parametrize(("first", "last"), [(2, 2), (2, 4), (1, 3)])
def test_removed_rows_are_reported_once_with_their_first_number(first, last):
    rows = make_chain()
    left = [row for row in rows if not first <= row.number <= last]
    (finding,) = verify_chain(left, ends_of(rows), UNKNOWN)
    assert (finding.what, finding.number, finding.id) == ("removed", first, "")
    assert finding.text == (f"row {first} removed" if first == last else f"rows {first} to {last} removed")


def test_removed_row_breaks_a_link_when_the_others_are_renumbered():
    rows = make_chain()
    left = renumber(rows[:2] + rows[3:])
    assert verify(left, ends_of(left)) == [("reordered", 3)]


def test_inserted_row_breaks_the_link_to_the_next_row():
    rows = make_chain()
    record = make_row(99)
    forged = ChainRow(
        number=3, before=rows[1].hash, hash=RowHasher().hash_row(rows[1].hash, record), record=record
    )
    longer = renumber([*rows[:2], forged, *rows[2:]])
    assert verify(longer, ends_of(longer)) == [("reordered", 4)]


def test_row_with_a_number_that_exists_breaks_the_link():
    rows = make_chain()
    assert verify([*rows[:3], rows[2], *rows[3:]], ends_of(rows)) == [("reordered", 3)]


def test_swapped_rows_break_three_links():
    rows = make_chain()
    swapped = renumber([*rows[:2], rows[3], rows[2], *rows[4:]])
    assert verify(swapped, ends_of(swapped)) == [("reordered", 3), ("reordered", 4), ("reordered", 5)]


def test_swapped_rows_with_their_numbers_are_removed_and_reordered():
    rows = make_chain()
    swapped = [rows[1], rows[0], *rows[2:]]
    assert verify(swapped, ends_of(rows)) == [("removed", 1), ("reordered", 1), ("removed", 2)]


def test_head_differs_from_the_noted_head():
    rows = make_chain()
    assert verify(rows, ends_of(rows), AnchorNotes(head=ChainPosition(ROWS, rows[0].hash))) == [
        ("changed", ROWS)
    ]


def test_missing_tail_is_cut_off_by_the_chains_own_head():
    rows = make_chain()
    assert verify(rows[:4], ends_of(rows)) == [("cut_off", 4)]


def test_missing_tail_with_a_rewritten_head_needs_the_noted_head():
    rows = make_chain()
    left = rows[:4]
    assert verify(left, ends_of(left)) == [], "the database alone cannot reveal it"
    assert verify(left, ends_of(left), AnchorNotes(head=position(rows[-1]))) == [("cut_off", 4)]
    assert verify(left, ends_of(left), AnchorNotes(head=position(rows[3]))) == []


def test_purged_beginning_is_accepted_at_the_noted_anchor():
    rows = make_chain()
    anchor = position(rows[1])
    ends = ends_of(rows, anchor)
    assert verify(rows[2:], ends, AnchorNotes(anchor=anchor)) == []
    assert verify(rows[2:], ends, AnchorNotes(anchor=position(rows[3]))) == [], "a purge may stop early"


def test_removed_beginning_is_cut_off_when_the_noted_anchor_is_earlier():
    rows = make_chain()
    ends = ends_of(rows, position(rows[3]))
    assert verify(rows[4:], ends, AnchorNotes(anchor=position(rows[1]))) == [("cut_off", 4)]


def test_noted_head_before_the_anchor_is_not_missed():
    rows = make_chain()
    ends = ends_of(rows, position(rows[3]))
    assert verify(rows[4:], ends, AnchorNotes(head=position(rows[1]))) == []


def test_other_chain_is_replaced_when_the_noted_name_differs():
    rows = make_chain()
    assert verify(rows, ends_of(rows), AnchorNotes(trail="c2")) == [("replaced", 0)]


def test_former_key_is_accepted_beside_the_current_one():
    rows = make_chain(OTHER_KEY)
    assert verify(rows, ends_of(rows), UNKNOWN, KEY, OTHER_KEY) == []


def test_rows_with_an_unknown_key_are_changed():
    rows = make_chain(OTHER_KEY)
    assert verify(rows, ends_of(rows), UNKNOWN, KEY) == [
        *(("changed", number) for number in range(1, ROWS + 1)),
        ("unsigned", ROWS),
    ]


def test_key_of_another_chain_does_not_sign_this_one():
    rows = make_chain(KEY)
    ends = ChainEnds(trail="c2", head=position(rows[-1]))
    assert ("changed", 1) in verify(rows, ends, UNKNOWN, KEY)


def test_signed_rows_are_not_checked_without_the_key():
    rows = make_chain(KEY)
    assert verify(rows, ends_of(rows), AnchorNotes(signed=1)) == [("not_checked", 1)]


def test_unsigned_rows_after_signed_ones_are_changed():
    signed = make_chain(KEY, rows=3)
    rows = [*signed, *bind_rows([make_row(7), make_row(8)], position(signed[-1]))]
    assert verify(rows, ends_of(rows), UNKNOWN, KEY) == [("changed", 4), ("changed", 5), ("unsigned", 5)]


def test_unsigned_rows_before_the_first_signed_one_are_accepted():
    unsigned = make_chain(rows=3)
    rows = [*unsigned, *bind_rows([make_row(7)], position(unsigned[-1]), RowHasher(CHAIN, (KEY,)))]
    assert verify(rows, ends_of(rows), UNKNOWN, KEY) == []


def test_unsigned_tail_is_accepted_up_to_the_accepted_head():
    rows = make_chain()
    accepted = AcceptedFindings(head=position(rows[-1]), by="ann")
    assert verify(rows, ends_of(rows), UNKNOWN, KEY) == [("unsigned", ROWS)]
    assert verify(rows, ends_of(rows), AnchorNotes(accepted=accepted), KEY) == []


def test_chain_is_replaced_when_the_accepted_row_has_another_hash():
    rows = make_chain()
    accepted = AcceptedFindings(head=ChainPosition(3, bytes(32)), by="ann")
    assert verify(rows, ends_of(rows), AnchorNotes(accepted=accepted)) == [("replaced", 3)]


def test_accepted_findings_cover_their_ranges_up_to_the_head():
    accepted = AcceptedFindings(head=ChainPosition(5), findings={"changed": [(2, 3), (5, 9)]})
    assert [number for number in range(1, 8) if accepted.covers(finding("changed", number))] == [2, 3, 5]
    assert not accepted.covers(finding("removed", 2))


def test_findings_of_neighbouring_rows_are_one_range():
    numbers = (2, 3, 4, 7, 9, 10)
    assert compress_findings(finding("changed", number) for number in numbers) == {
        "changed": [(2, 4), (7, 7), (9, 10)]
    }
