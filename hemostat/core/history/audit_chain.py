"""The audit chain: hashes that link the stored events, so that later changes are detected. Pure.

A row's hash covers the row and the hash before it. It does not cover the row's number, which only gives the
position: renumbering rows breaks the order of the hashes. Old rows may be removed from the beginning. The
anchor is then the number and hash of the last removed row. Notes outside the database (`AnchorNotes`) reveal
rows removed from either end. Who can write both the database and the notes can forge the chain.

The hash is SHA-256, or HMAC if a key is given. Who can write the database can compute SHA-256, and could
therefore rewrite the whole chain. A key stored elsewhere prevents that. The HMAC includes the chain's name,
so that rows of another chain are not accepted.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from hemostat.core.history.event_row import EventRow

NOT_CHECKED: Final = "not_checked"
MAX_RANGES: Final = 200
"""Ranges of rows with accepted findings, at most. Beyond that, rows between two ranges are accepted too."""
INITIAL_HASH: Final = bytes(32)
"""The hash before the first row."""

Keys = Callable[[], tuple[bytes, ...]]
"""Returns the current signing keys. May raise ConfigError."""


def hash_unsigned(before: bytes, row: EventRow) -> bytes:
    """SHA-256 of the previous hash and the row. The hash depends on the order of the fields, which must not
    change."""
    return hashlib.sha256(before + msgspec.json.encode(msgspec.structs.astuple(row))).digest()


class RowHasher(msgspec.Struct, frozen=True):
    """Hashes the rows of one chain. The first key signs. Rows signed with any of the keys are accepted, so
    that a key can be replaced. Without a key, rows are not signed."""

    trail: str = ""
    keys: tuple[bytes, ...] = ()

    def hash_row(self, before: bytes, row: EventRow) -> bytes:
        return _sign(self.keys[0], self.trail, before, row) if self.keys else hash_unsigned(before, row)

    def is_signed(self, before: bytes, row: EventRow, hash_: bytes) -> bool:
        return any(hmac.compare_digest(_sign(key, self.trail, before, row), hash_) for key in self.keys)


def _sign(key: bytes, trail: str, before: bytes, row: EventRow) -> bytes:
    signed = trail.encode() + b"\n" + before + msgspec.json.encode(msgspec.structs.astuple(row))
    return hmac.digest(key, signed, "sha256")


UNSIGNED_HASHER: Final = RowHasher()


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
