"""Verifies the audit chain: compares every row with the hash before it, the ends and the notes. Pure."""

from collections.abc import Iterable, Iterator

from hemostat.core.history.audit_chain import (
    NOT_CHECKED,
    AnchorNotes,
    AuditFinding,
    ChainEnds,
    ChainPosition,
    ChainRow,
    RowHasher,
    hash_unsigned,
)


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
