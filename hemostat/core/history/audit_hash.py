"""How a row of the audit trail is hashed: by SHA-256, or by HMAC where a key is given. Pure.

Who can write the database can compute a SHA-256, and so can write the whole trail again. A key that is kept
elsewhere ends that. The name of the trail is part of each HMAC: rows of another trail do not pass for rows of
this one.
"""

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from hemostat.core.history.event_row import EventRow

Keys = Callable[[], tuple[bytes, ...]]
"""Gives the keys that sign, as they are at the moment. May raise ConfigError."""


def hash_unsigned(before: bytes, row: EventRow) -> bytes:
    """SHA-256 of the hash before and the row. The order of the fields is part of it, and stays."""
    return hashlib.sha256(before + msgspec.json.encode(msgspec.structs.astuple(row))).digest()


class RowHasher(msgspec.Struct, frozen=True):
    """How the rows of one trail are hashed. The first key signs; rows that any of the keys has signed are
    accepted, so that a key can be replaced. Without a key rows are not signed."""

    trail: str = ""
    keys: tuple[bytes, ...] = ()

    def hash_row(self, before: bytes, row: EventRow) -> bytes:
        return _sign(self.keys[0], self.trail, before, row) if self.keys else hash_unsigned(before, row)

    def is_signed(self, before: bytes, row: EventRow, hash_: bytes) -> bool:
        return any(hmac.compare_digest(_sign(key, self.trail, before, row), hash_) for key in self.keys)


def _sign(key: bytes, trail: str, before: bytes, row: EventRow) -> bytes:
    signed = trail.encode() + b"\n" + before + msgspec.json.encode(msgspec.structs.astuple(row))
    return hmac.digest(key, signed, "sha256")
