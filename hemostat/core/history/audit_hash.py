"""The hash of an audit row: SHA-256, or HMAC if a key is given. Pure.

Who can write the database can compute SHA-256, and could therefore rewrite the whole chain. A key stored
elsewhere prevents that. The HMAC includes the chain's name, so that rows of another chain are not accepted.
"""

import hashlib
import hmac
from collections.abc import Callable

import msgspec

from hemostat.core.history.event_row import EventRow

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
