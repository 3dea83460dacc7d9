"""The audit trail: each row is bound to the one before by a hash, so that what was done to it shows. Pure.

A row's hash covers the row and the hash before it. Its number is not covered, but only says where the row
stands: who renumbers rows breaks the order of hashes. Old rows may be removed from the beginning: the anchor
is the number and hash of the last that was. What is noted elsewhere (`Noted`) shows where rows were removed
from either end; who can write both can deceive both.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hemostat.core.history.audit_hash import RowHasher, hash_unsigned
from hemostat.core.history.event_row import EventRow

UNSIGNED_HASHER: Final = RowHasher()
NOT_CHECKED: Final = "not_checked"
MAX_RANGES: Final = 200
"""Of rows with findings that a person accepts; beyond that, rows between two ranges are accepted as well."""
INITIAL_HASH: Final = bytes(32)
"""The hash before the first row."""


class ChainRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the trail, numbered from 1: `before` is the hash of the row before it, `hash` its own."""

    number: int
    before: bytes
    hash: bytes
    record: EventRow


class ChainPosition(msgspec.Struct, frozen=True):
    """Where a trail begins or ends: the number of a row, and its hash."""

    number: int = 0
    hash: bytes = INITIAL_HASH

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


class ChainEnds(msgspec.Struct, frozen=True, kw_only=True):
    """`trail` is its name, drawn when it was begun; `anchor` the last row removed, `head` the last one
    written."""

    trail: str
    anchor: ChainPosition = ChainPosition()
    head: ChainPosition = ChainPosition()


class DatabaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a database is: its URL without a password, the version of its tables, its size in bytes, the ends
    of its trail."""

    place: str
    version: int
    size: int
    ends: ChainEnds


class AcceptedFindings(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that the trail is in order as it was found: up to its row `head`. `findings` are the
    ranges of rows in which something was found then, by what was found."""

    head: ChainPosition
    findings: dict[str, list[tuple[int, int]]] = {}
    by: str = ""
    reason: str = ""
    time: float = 0.0
    mac: str = ""
    """HMAC of all this, where a key is given: in hexadecimal."""

    def covers(self, finding: "AuditFinding") -> bool:
        ranges = self.findings.get(finding.what, [])
        return finding.number <= self.head.number and any(
            first <= finding.number <= last for first, last in ranges
        )


class AnchorNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a trail apart from the database; None, or empty, where that is not known."""

    anchor: ChainPosition | None = None
    head: ChainPosition | None = None
    trail: str = ""
    """The name of the trail that belongs to this store."""
    signed: int = 0
    """The number of the first row that is signed with a key, for those who have none."""
    accepted: AcceptedFindings | None = None


class AuditFinding(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is the row's, `id` its event's; empty where there is no row. `what` is one of `changed`,
    `removed`, `reordered`, `cut_off`, `replaced`, `unsigned`; or `not_checked`, where rows are signed and the
    key is not given."""

    what: str
    number: int
    id: str
    text: str


def bind_rows(
    rows: Iterable[EventRow], head: ChainPosition, signing: RowHasher = UNSIGNED_HASHER
) -> list[ChainRow]:
    """Rows that follow the head, in order."""
    links: list[ChainRow] = []
    for number, row in enumerate(rows, head.number + 1):
        before = links[-1].hash if links else head.hash
        links.append(ChainRow(number=number, before=before, hash=signing.hash_row(before, row), record=row))
    return links


def compress_findings(findings: Iterable[AuditFinding]) -> dict[str, list[tuple[int, int]]]:
    """Ranges of rows by what was found there."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for each in findings:
        known = ranges.setdefault(each.what, [])
        if known and (each.number <= known[-1][1] + 1 or len(known) == MAX_RANGES):
            known[-1] = known[-1][0], each.number
        else:
            known.append((each.number, each.number))
    return ranges


def verify_chain(
    links: Iterable[ChainRow], ends: ChainEnds, noted: AnchorNotes, keys: tuple[bytes, ...] = ()
) -> Iterator[AuditFinding]:
    """What is wrong with a trail, in the order of its rows. `links` are all there are, by number."""
    yield from _check_beginning(ends, noted)
    check = _RowCheck(ends, noted, keys)
    last, seen = ends.anchor, noted.head is None or noted.head.number <= ends.anchor.number
    for link in links:
        yield from check.follows(link, last)
        yield from check.content(link)
        last = ChainPosition(link.number, link.hash)
        if noted.head is not None and noted.head.number == link.number:
            seen = True
            if noted.head != last:
                yield _make_finding("changed", link, "has another hash than is noted elsewhere")
    yield from check.rest()
    if last.number < ends.head.number:
        yield _make_cut_finding(
            last.number, f"the trail ends here, and its own head is row {ends.head.number}"
        )
    elif last != ends.head:
        yield _make_cut_finding(last.number, "the trail ends here, and its own head is another row")
    if not seen and noted.head is not None and last.number < noted.head.number:
        yield _make_cut_finding(
            last.number, f"the trail ends here, and had {noted.head.number} rows as is noted elsewhere"
        )


def _check_beginning(ends: ChainEnds, noted: AnchorNotes) -> Iterator[AuditFinding]:
    if noted.trail not in {"", ends.trail}:
        text = f"this is trail {ends.trail}, and trail {noted.trail} belongs here as is noted elsewhere"
        yield AuditFinding(what="replaced", number=0, id="", text=text)
    known = noted.anchor
    if known is None:
        return
    if ends.anchor.number > known.number:
        yield _make_cut_finding(
            ends.anchor.number,
            f"the trail begins after row {ends.anchor.number}, and nothing after row {known.number} was to be"
            " removed as is noted elsewhere",
        )


class _RowCheck:
    """One pass over the rows of a trail."""

    def __init__(self, ends: ChainEnds, noted: AnchorNotes, keys: tuple[bytes, ...]) -> None:
        self._hasher = RowHasher(ends.trail, keys)
        self._first_signed = noted.signed
        """The first row that must be signed; 0 until one is found."""
        self._acceptance = noted.accepted
        self._first_skipped: ChainRow | None = None
        self._unsigned_end: ChainRow | None = None
        """The last row, where it is not signed."""

    def follows(self, link: ChainRow, last: ChainPosition) -> Iterator[AuditFinding]:
        if link.number > last.number + 1:
            gone = link.number - last.number - 1
            which = f"row {last.number + 1}" if gone == 1 else f"rows {last.number + 1} to {link.number - 1}"
            yield AuditFinding(what="removed", number=last.number + 1, id="", text=f"{which} removed")
        elif link.before != last.hash:
            how = "one was moved, replaced, put in or taken out between them"
            yield _make_finding("reordered", link, f"does not follow row {last.number}: {how}")

    def content(self, link: ChainRow) -> Iterator[AuditFinding]:
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
            other = ", or is signed with another key" if must_be_signed else ""
            yield _make_finding("changed", link, f"is not what was written{other}")
        elif must_be_signed:
            yield _make_finding("changed", link, "is not signed, and rows before it are")

    def rest(self) -> Iterator[AuditFinding]:
        last, accepted = self._unsigned_end, self._acceptance
        if last is not None and (accepted is None or accepted.head.number < last.number):
            yield _make_finding("unsigned", last, "is the last one, and is not signed")
        if self._first_skipped is not None:
            text = (
                f"rows from {self._first_skipped.number} on are signed, and cannot be checked without the key"
            )
            yield AuditFinding(what=NOT_CHECKED, number=self._first_skipped.number, id="", text=text)


def _make_finding(what: str, link: ChainRow, text: str) -> AuditFinding:
    where = f"row {link.number} ({link.record.type}, event {link.record.id})"
    return AuditFinding(what=what, number=link.number, id=link.record.id, text=f"{where} {text}")


def _make_cut_finding(number: int, text: str) -> AuditFinding:
    return AuditFinding(what="cut_off", number=number, id="", text=text)
