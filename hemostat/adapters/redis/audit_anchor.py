"""The AuditAnchor port: one hash of notes for each audit chain, and one that names each store's chain."""

from contextlib import suppress
from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.rows import read_number, read_row
from hemostat.core.history.audit_chain import AcceptedFindings, AnchorNotes, ChainEnds, ChainPosition

AUDIT_PREFIX: Final = f"{PREFIX}audit:"
STORE_PREFIX: Final = f"{AUDIT_PREFIX}store:"

NOTE_SCRIPT: Final = """
local number = redis.call('HGET', KEYS[1], ARGV[1])
if number and not tonumber(number) then redis.call('HSET', KEYS[1], ARGV[1] .. ':unreadable', number) end
if (tonumber(number or -1) or -1) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[1] .. ':hash', ARGV[3])
return 1
"""
SET_ONCE_SCRIPT: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""
"""Not HSETNX: the ACL file of an earlier version does not allow it."""


class RedisAuditAnchor:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._note_script = client.raw.register_script(NOTE_SCRIPT)
        self._set_once_script = client.raw.register_script(SET_ONCE_SCRIPT)

    def note_head(self, trail: str, end: ChainPosition) -> None:
        self._note_end(trail, "head", end)

    def note_anchor(self, trail: str, end: ChainPosition) -> None:
        self._note_end(trail, "anchor", end)

    def read_notes(self, trail: str, location: str = "") -> AnchorNotes:
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            batch.hgetall(AUDIT_PREFIX + trail)
            batch.hgetall(STORE_PREFIX + location)
            fields, store = batch.execute()
        return AnchorNotes(
            anchor=_read_position(fields, b"anchor"),
            head=_read_position(fields, b"head"),
            trail=store.get(b"trail", b"").decode(errors="replace") if location else "",
            signed=read_number(fields.get(b"signed")) or 0,
            accepted=read_row(fields.get(b"accepted"), AcceptedFindings),
        )

    def note_trail(self, location: str, trail: str) -> None:
        with self._client.call():
            self._set_once_script(keys=[STORE_PREFIX + location], args=["trail", trail])

    def note_signed(self, trail: str, number: int) -> None:
        with self._client.call():
            self._set_once_script(keys=[AUDIT_PREFIX + trail], args=["signed", number])

    def accept_trail(
        self, location: str, ends: ChainEnds, accepted: AcceptedFindings, *, signed: int
    ) -> None:
        """Uses a transaction, because the operator's user may not run scripts on these keys."""
        fields: Any = {
            "head": ends.head.number,
            "head:hash": ends.head.hash.hex(),
            "anchor": ends.anchor.number,
            "anchor:hash": ends.anchor.hash.hex(),
            "accepted": msgspec.json.encode(accepted),
            "signed": signed,
        }
        with self._client.call() as raw, raw.pipeline(transaction=True) as batch:
            batch.hset(AUDIT_PREFIX + ends.trail, mapping=fields)
            batch.hset(STORE_PREFIX + location, "trail", ends.trail)
            batch.execute()

    def _note_end(self, trail: str, field: str, end: ChainPosition) -> None:
        with self._client.call():
            self._note_script(keys=[AUDIT_PREFIX + trail], args=[field, end.number, end.hash.hex()])


def _read_position(fields: dict[bytes, bytes], field: bytes) -> ChainPosition | None:
    """The noted position. An unreadable value counts as no note."""
    with suppress(ValueError):
        digest = bytes.fromhex(fields.get(field + b":hash", b"").decode())
        return ChainPosition(int(fields[field]), digest) if field in fields else None
    return None
