"""The audit trail: each row is bound to the one before by a hash, so that what was done to it shows. Pure.

A row's hash covers the row and the hash before it. Its number is not covered, but only says where the row
stands: who renumbers rows breaks the order of hashes. Old rows may be removed from the beginning: the anchor
is the number and hash of the last that was. What is noted elsewhere (`Noted`) shows where rows were removed
from either end; who can write both can deceive both.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hemostat.core.record import Record

BEGINNING: Final = bytes(32)
"""The hash before the first row."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the trail, numbered from 1: `before` is the hash of the row before it, `hash` its own."""

    number: int
    before: bytes
    hash: bytes
    record: Record


class End(msgspec.Struct, frozen=True):
    """Where a trail begins or ends: the number of a row, and its hash."""

    number: int = 0
    hash: bytes = BEGINNING

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """`trail` is its name, drawn when it was begun; `anchor` the last row removed, `head` the last one
    written."""

    trail: str
    anchor: End = End()
    head: End = End()


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How a database is: its URL without a password, the version of its tables, its size in bytes, the ends
    of its trail."""

    place: str
    version: int
    size: int
    ends: Ends


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """Ends as they are known apart from the database; None where they are not."""

    anchor: End | None = None
    head: End | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is the row's, `id` its event's; empty where there is no row. `what` is one of `changed`,
    `removed`, `reordered`, `cut_off`."""

    what: str
    number: int
    id: str
    text: str


def fingerprint(before: bytes, row: Record) -> bytes:
    """SHA-256 of the hash before and the row. The order of the fields is part of it, and stays."""
    return hashlib.sha256(before + msgspec.json.encode(msgspec.structs.astuple(row))).digest()


def bind(rows: Iterable[Record], head: End) -> list[Link]:
    """Rows that follow the head, in order."""
    links: list[Link] = []
    for number, row in enumerate(rows, head.number + 1):
        before = links[-1].hash if links else head.hash
        links.append(Link(number=number, before=before, hash=fingerprint(before, row), record=row))
    return links


def verify(links: Iterable[Link], ends: Ends, noted: Noted) -> Iterator[Finding]:
    """What is wrong with a trail, in the order of its rows. `links` are all there are, by number."""
    yield from _beginning(ends, noted)
    last, seen = ends.anchor, noted.head is None or noted.head.number <= ends.anchor.number
    for link in links:
        yield from _checked(link, last)
        last = End(link.number, link.hash)
        if noted.head is not None and noted.head.number == link.number:
            seen = True
            if noted.head != last:
                yield _finding("changed", link, "has another hash than is noted elsewhere")
    if last.number < ends.head.number:
        yield _cut(last.number, f"the trail ends here, and its own head is row {ends.head.number}")
    elif last != ends.head:
        yield _cut(last.number, "the trail ends here, and its own head is another row")
    if not seen and noted.head is not None and last.number < noted.head.number:
        yield _cut(
            last.number, f"the trail ends here, and had {noted.head.number} rows as is noted elsewhere"
        )


def _beginning(ends: Ends, noted: Noted) -> Iterator[Finding]:
    known = noted.anchor
    if known is None:
        return
    if ends.anchor.number > known.number:
        yield _cut(
            ends.anchor.number,
            f"the trail begins after row {ends.anchor.number}, and nothing after row {known.number} was to be"
            " removed as is noted elsewhere",
        )


def _checked(link: Link, last: End) -> Iterator[Finding]:
    if link.number > last.number + 1:
        gone = link.number - last.number - 1
        which = f"row {last.number + 1}" if gone == 1 else f"rows {last.number + 1} to {link.number - 1}"
        yield Finding(what="removed", number=last.number + 1, id="", text=f"{which} removed")
    elif link.before != last.hash:
        yield _finding(
            "reordered",
            link,
            f"does not follow row {last.number}: one was moved, replaced, put in or taken out between them",
        )
    if fingerprint(link.before, link.record) != link.hash:
        yield _finding("changed", link, "is not what was written")


def _finding(what: str, link: Link, text: str) -> Finding:
    where = f"row {link.number} ({link.record.type}, event {link.record.id})"
    return Finding(what=what, number=link.number, id=link.record.id, text=f"{where} {text}")


def _cut(number: int, text: str) -> Finding:
    return Finding(what="cut_off", number=number, id="", text=text)
