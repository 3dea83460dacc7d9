"""Handles unreadable rows: readers skip them, and they are set aside and listed for operators.

A row may be unreadable because another version wrote it or a user changed it. The other rows must stay
readable. A row that is set aside keeps its raw bytes, its key and the reason in one bounded hash.
"""

import base64
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.errors import BusError

T = TypeVar("T")
Kind = Literal["hash", "list", "string", "stream"]

QUARANTINE_KEY: Final = f"{PREFIX}quarantine"
MAX_ROWS: Final = 1000
"""Rows that are kept aside. Further ones are only logged."""
MAX_ROW_BYTES: Final = 16 * 1024
COUNT_SECONDS: Final = 20.0
"""Seconds between two counts of the rows set aside."""

MOVE_SCRIPT: Final = """
local kind, key, field, raw = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if kind == 'hash' and redis.call('HGET', key, field) ~= raw then return 0 end
if redis.call('HLEN', ARGV[5]) < tonumber(ARGV[6]) then redis.call('HSET', ARGV[5], ARGV[7], ARGV[8]) end
if kind == 'hash' then return redis.call('HDEL', key, field) end
return redis.call('LREM', key, 0, raw)
"""
"""Keys are not declared, so that each command needs only its own right."""

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """An unreadable row. `field` is empty in a list and for a string."""

    kind: Kind
    key: str
    field: bytes
    raw: bytes
    reason: str


class AsideRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was set aside. `raw` is its beginning in base64, `size` its length in bytes."""

    key: str
    field: str
    reason: str
    time: float
    size: int
    raw: str


def read_row(raw: bytes | None, shape: type[T]) -> T | None:
    """The parsed row. None if there is no row or it is unreadable."""
    try:
        return None if raw is None else msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_rows(values: Sequence[bytes], shape: type[T]) -> list[T]:
    """The readable rows, parsed."""
    rows = (read_row(value, shape) for value in values)
    return [each for each in rows if each is not None]


def find_fault(raw: bytes, shape: type[Any]) -> str:
    """Why a row is unreadable. Empty if it is readable."""
    try:
        msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def read_number(raw: bytes | None) -> int | None:
    """A counter's value. None if Redis could not increment it."""
    text = b"0" if raw is None else raw
    return int(text) if text.isdigit() and len(text) < 16 else None  # noqa: PLR2004 - 15 digits: exact in Lua


def decode_name(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


class Quarantine:
    """Sets aside rows that this process could not read. Safe to use from several threads."""

    def __init__(self, client: Client, now: Callable[[], float] = time.time) -> None:
        """`now` returns epoch seconds."""
        self._client = client
        self._now = now
        self._move_script = client.raw.register_script(MOVE_SCRIPT)
        self._lock = threading.Lock()
        self._noted_keys: dict[str, tuple[Kind, type[Any]]] = {}
        self._count, self._counted = 0, 0.0

    def note(self, key: str, kind: Kind, shape: type[Any]) -> None:
        """Let `sweep` check a key that contains an unreadable row."""
        with self._lock:
            self._noted_keys[key] = (kind, shape)

    def sweep(self) -> int:
        """Set aside the unreadable rows of noted keys. Returns the number of rows set aside.

        Rows that this user may not move stay in place and are counted too.
        """
        with self._lock:
            noted_keys, self._noted_keys = self._noted_keys, {}
        rows = [row for key, (kind, shape) in noted_keys.items() for row in self._find_rows(key, kind, shape)]
        unmoved_count = sum(not self._try_move(row) for row in rows)
        now = self._now()
        if rows or not 0 <= now - self._counted < COUNT_SECONDS:
            self._count, self._counted = unmoved_count + self._count_stored(), now
        return self._count

    def move(self, row: Row) -> bool:
        """Set a row aside, unless another has replaced it. Returns whether it was moved. Raises BusError."""
        aside_row = AsideRow(
            key=row.key,
            field=decode_name(row.field)[:200],
            reason=row.reason,
            time=self._now(),
            size=len(row.raw),
            raw=base64.b64encode(row.raw[:MAX_ROW_BYTES]).decode(),
        )
        name = hashlib.sha256(row.key.encode() + b"\0" + row.field + b"\0" + row.raw).hexdigest()[:12]
        arguments = (row.kind, row.key, row.field, row.raw, QUARANTINE_KEY, MAX_ROWS, name)
        with self._client.call():
            moved: Any = self._move_script(args=[*arguments, msgspec.json.encode(aside_row)])
        if moved:
            logger.error("row.set_aside key=%s field=%s reason=%s", row.key, aside_row.field, row.reason)
        return bool(moved)

    def _try_move(self, row: Row) -> bool:
        try:
            self.move(row)
        except BusError as error:
            logger.warning("row.set_aside_failed key=%s error=%s", row.key, error)
            self.note(row.key, row.kind, msgspec.Raw)
            return False
        return True

    def _count_stored(self) -> int:
        try:
            with self._client.call() as raw:
                count: Any = raw.hlen(QUARANTINE_KEY)
                return int(count)
        except BusError:
            return 0

    def _find_rows(self, key: str, kind: Kind, shape: type[Any]) -> list[Row]:
        try:
            return find_unreadable_rows(self._client, key, kind, shape)
        except BusError as error:
            logger.warning("row.set_aside_failed key=%s error=%s", key, error)
            return []


def find_unreadable_rows(client: Client, key: str, kind: Kind, shape: type[Any]) -> list[Row]:
    with client.call() as raw:
        untyped_client: Any = raw
        if kind == "hash":
            pairs = untyped_client.hgetall(key).items()
        elif kind == "list":
            pairs = [(b"", value) for value in dict.fromkeys(untyped_client.lrange(key, 0, -1))]
        else:
            value = untyped_client.get(key)
            pairs = [] if value is None else [(b"", value)]
    rows = (Row(kind, key, field, value, find_fault(value, shape)) for field, value in pairs)
    return [row for row in rows if row.reason]
