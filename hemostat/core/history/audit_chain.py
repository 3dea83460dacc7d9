"""The audit chain: hashes that link the stored events, so that later changes are detected. Pure.

A row's hash covers the row and the hash before it. It does not cover the row's number, which only gives the
position: renumbering rows breaks the order of the hashes. Old rows may be removed from the beginning. The
anchor is then the number and hash of the last removed row. Notes outside the database (`AnchorNotes`) reveal
rows removed from either end. Who can write both the database and the notes can forge the chain.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hemostat.core.history.audit_hash import RowHasher, hash_unsigned
from hemostat.core.history.event_row import EventRow

UNSIGNED_HASHER: Final = RowHasher()
NOT_CHECKED: Final = "not_checked"
MAX_RANGES: Final = 200
"""Ranges of rows with accepted findings, at most. Beyond that, rows between two ranges are accepted too."""
INITIAL_HASH: Final = bytes(32)
"""The hash before the first row."""


class ChainRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the chain, numbered from 1. `before` is the hash of the row before, `hash` the row's own."""

    number: int
    before: bytes
    hash: bytes
    record: EventRow


class ChainPosition(msgspec.Struct, frozen=True):
    """A beginning or an end of the chain: the number and the hash of a row."""

    number: int = 0
    hash: bytes = INITIAL_HASH

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


class ChainEnds(msgspec.Struct, frozen=True, kw_only=True):
    """`trail` is the chain's name, generated when the chain was started. `anchor` is the last removed row,
    `head` the last written row."""

    trail: str
    anchor: ChainPosition = ChainPosition()
    head: ChainPosition = ChainPosition()


class DatabaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a database: its URL without a password, the version of its tables, its size in bytes, and the
    ends of its audit chain."""

    place: str
    version: int
    size: int
    ends: ChainEnds


class AcceptedFindings(msgspec.Struct, frozen=True, kw_only=True):
    """A person's acceptance of the chain as found, up to row `head`. `findings` holds the ranges of rows with
    findings at that time, by type of finding."""

    head: ChainPosition
    findings: dict[str, list[tuple[int, int]]] = {}
    by: str = ""
    reason: str = ""
    time: float = 0.0
    mac: str = ""
    """HMAC of the other fields in hexadecimal, if a key is given."""

    def covers(self, finding: "AuditFinding") -> bool:
        ranges = self.findings.get(finding.what, [])
        return finding.number <= self.head.number and any(
            first <= finding.number <= last for first, last in ranges
        )


class AnchorNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a chain outside the database. Unknown values are None or empty."""

    anchor: ChainPosition | None = None
    head: ChainPosition | None = None
    trail: str = ""
    """The name of the chain that belongs to this store."""
    signed: int = 0
    """The number of the first signed row, for readers without the key."""
    accepted: AcceptedFindings | None = None


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is the row's and `id` its event's; `id` is empty without a row. `what` is `changed`,
    `removed`, `reordered`, `cut_off`, `replaced` or `unsigned`; or `not_checked`, if rows are signed and no
    key is given."""

    what: str
    number: int
    id: str
    text: str


def bind_rows(
    rows: Iterable[EventRow], head: ChainPosition, signing: RowHasher = UNSIGNED_HASHER
) -> list[ChainRow]:
    """Links the rows to the head, in order."""
    links: list[ChainRow] = []
    for number, row in enumerate(rows, head.number + 1):
        before = links[-1].hash if links else head.hash
        links.append(ChainRow(number=number, before=before, hash=signing.hash_row(before, row), record=row))
    return links


def compress_findings(findings: Iterable[AuditFinding]) -> dict[str, list[tuple[int, int]]]:
    """Ranges of rows by type of finding."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for each in findings:
        spans = ranges.setdefault(each.what, [])
        if spans and (each.number <= spans[-1][1] + 1 or len(spans) == MAX_RANGES):
            spans[-1] = spans[-1][0], each.number
        else:
            spans.append((each.number, each.number))
    return ranges


def verify_chain(
    links: Iterable[ChainRow], ends: ChainEnds, notes: AnchorNotes, keys: tuple[bytes, ...] = ()
) -> Iterator[AuditFinding]:
    """The findings in a chain, in the order of its rows. `links` are all rows, by number."""
    yield from _check_beginning(ends, notes)
    check = _RowCheck(ends, notes, keys)
    last, is_head_seen = ends.anchor, notes.head is None or notes.head.number <= ends.anchor.number
    for link in links:
        yield from check.check_order(link, last)
        yield from check.check_content(link)
        last = ChainPosition(link.number, link.hash)
        if notes.head is not None and notes.head.number == link.number:
            is_head_seen = True
            if notes.head != last:
                yield _make_finding("changed", link, "has another hash than the noted one")
    yield from check.check_end()
    if last.number < ends.head.number:
        yield _make_cut_finding(last.number, f"the trail ends here, but its head is row {ends.head.number}")
    elif last != ends.head:
        yield _make_cut_finding(last.number, "the trail ends here, but its head is another row")
    if not is_head_seen and notes.head is not None and last.number < notes.head.number:
        yield _make_cut_finding(last.number, f"the trail ends here, but {notes.head.number} rows are noted")


def _check_beginning(ends: ChainEnds, notes: AnchorNotes) -> Iterator[AuditFinding]:
    if notes.trail not in {"", ends.trail}:
        text = f"this is trail {ends.trail}, but trail {notes.trail} is noted"
        yield AuditFinding(what="replaced", number=0, id="", text=text)
    noted_anchor = notes.anchor
    if noted_anchor is None:
        return
    if ends.anchor.number > noted_anchor.number:
        yield _make_cut_finding(
            ends.anchor.number,
            f"the trail starts after row {ends.anchor.number}, "
            f"but row {noted_anchor.number} is noted as its anchor",
        )


class _RowCheck:
    """One pass over the rows of a chain."""

    def __init__(self, ends: ChainEnds, notes: AnchorNotes, keys: tuple[bytes, ...]) -> None:
        self._hasher = RowHasher(ends.trail, keys)
        self._first_signed = notes.signed
        """The first row that must be signed; 0 until a signed row is found."""
        self._acceptance = notes.accepted
        self._first_skipped: ChainRow | None = None
        self._unsigned_end: ChainRow | None = None
        """The last row, if it is not signed."""

    def check_order(self, link: ChainRow, last: ChainPosition) -> Iterator[AuditFinding]:
        if link.number > last.number + 1:
            removed_count = link.number - last.number - 1
            rows_text = (
                f"row {last.number + 1}"
                if removed_count == 1
                else f"rows {last.number + 1} to {link.number - 1}"
            )
            yield AuditFinding(what="removed", number=last.number + 1, id="", text=f"{rows_text} removed")
        elif link.before != last.hash:
            cause = "a row was moved, replaced, inserted or removed between them"
            yield _make_finding("reordered", link, f"does not follow row {last.number}: {cause}")

    def check_content(self, link: ChainRow) -> Iterator[AuditFinding]:
        accepted = self._acceptance
        if accepted and accepted.head.number == link.number and accepted.head.hash != link.hash:
            yield _make_finding("replaced", link, f"has another hash than {accepted.by} accepted")
        must_be_signed = 0 < self._first_signed <= link.number
        signed = self._hasher.is_signed(link.before, link.record, link.hash)
        self._unsigned_end = None if signed or not self._hasher.keys else link
        if must_be_signed and not self._hasher.keys:
            self._first_skipped = self._first_skipped or link
        elif signed:
            self._first_signed = self._first_signed or link.number
        elif hash_unsigned(link.before, link.record) != link.hash:
            key_hint = ", or is signed with another key" if must_be_signed else ""
            yield _make_finding("changed", link, f"was changed after it was written{key_hint}")
        elif must_be_signed:
            yield _make_finding("changed", link, "is not signed, but earlier rows are")

    def check_end(self) -> Iterator[AuditFinding]:
        last, accepted = self._unsigned_end, self._acceptance
        if last is not None and (accepted is None or accepted.head.number < last.number):
            yield _make_finding("unsigned", last, "is the last row, and is not signed")
        if self._first_skipped is not None:
            text = f"rows from {self._first_skipped.number} are signed and cannot be verified without the key"
            yield AuditFinding(what=NOT_CHECKED, number=self._first_skipped.number, id="", text=text)


def _make_finding(kind: str, link: ChainRow, text: str) -> AuditFinding:
    where = f"row {link.number} ({link.record.type}, event {link.record.id})"
    return AuditFinding(what=kind, number=link.number, id=link.record.id, text=f"{where} {text}")


def _make_cut_finding(number: int, text: str) -> AuditFinding:
    return AuditFinding(what="cut_off", number=number, id="", text=text)
