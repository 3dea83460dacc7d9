"""Finds and removes unreadable rows, set aside or in place, for `hemostat repair`."""

import math
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from hemostat.adapters.redis.bus import DEAD_LETTER_STREAM
from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.controls import APPROVALS_KEY, PAUSES_KEY, RESETS_KEY
from hemostat.adapters.redis.parts import LAST_MILLISECONDS
from hemostat.adapters.redis.rows import (
    QUARANTINE_KEY,
    AsideRow,
    Kind,
    Row,
    find_unreadable_rows,
    read_number,
    read_row,
)
from hemostat.core.diagnosis.case import Precedent
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.ledger.controls import Approval, Pause
from hemostat.core.ledger.rows import Attempt, ManualStop, RaisedLimit
from hemostat.core.llm.cost_budget import LlmUsage
from hemostat.core.notify.notification import LastNotification, Notification
from hemostat.errors import BusError
from hemostat.events import DURABLE


class Table(NamedTuple):
    pattern: str
    kind: Kind
    shape: type[Any]


TABLES: Final = (
    Table(PAUSES_KEY, "hash", Pause),
    Table(RESETS_KEY, "hash", float),
    Table(APPROVALS_KEY, "hash", Approval),
    Table(f"{PREFIX}ledger:*:of:*", "hash", Attempt),
    Table(f"{PREFIX}ledger:*:stop:*", "string", ManualStop),
    Table(f"{PREFIX}ledger:*:version", "string", int),
    Table(f"{PREFIX}ledger:*:running", "hash", Attempt),
    Table(f"{PREFIX}ledger:*:ended", "list", Attempt),
    Table(f"{PREFIX}ledger:*:scaled", "hash", RaisedLimit),
    Table(f"{PREFIX}evidence:*", "hash", EvidenceSnapshot),
    Table(f"{PREFIX}past:*", "hash", Precedent),
    Table(f"{PREFIX}advisor:spent", "hash", LlmUsage),
    Table(f"{PREFIX}advisor:version", "string", int),
    Table(f"{PREFIX}outbox:*:news", "hash", Notification),
    Table(f"{PREFIX}told:*", "string", LastNotification),
    Table(f"{PREFIX}memo:*", "string", msgspec.Raw),
)
"""Key patterns with the type of their rows. The first that matches applies."""
STREAMS: Final = frozenset({DEAD_LETTER_STREAM, *(PREFIX + kind for kind in DURABLE)})
MISPLACED_TEXT: Final = "it is not of the type"
WRONG_TYPE_TEXT: Final = "not of HemoStat's type"
SCAN_COUNT: Final = 5000
"""Keys per answer of SCAN."""


def list_aside(client: Client) -> dict[bytes, AsideRow]:
    """The rows that were set aside, by their name in the quarantine, oldest first."""
    with client.call() as raw:
        stored: Any = raw.hgetall(QUARANTINE_KEY)
    unknown = AsideRow(
        key=QUARANTINE_KEY, field="", reason="it is unreadable itself", time=0.0, size=0, raw=""
    )
    rows = {name: read_row(value, AsideRow) or unknown for name, value in stored.items()}
    return dict(sorted(rows.items(), key=lambda item: item[1].time))


def clear_aside(client: Client, names: list[bytes]) -> None:
    if names:
        with client.call() as raw:
            raw.hdel(QUARANTINE_KEY, *names)


def find_in_place(client: Client) -> list[Row]:
    """The unreadable rows in their original keys. Raises BusError if this user may not read them."""
    with client.call() as raw:
        keys = sorted(raw.scan_iter(match=f"{PREFIX}*", count=SCAN_COUNT))
    return [row for key in keys for row in _find_unreadable(client, key.decode(errors="surrogateescape"))]


def remove_in_place(client: Client, row: Row) -> None:
    """Remove a row, unless another has replaced it."""
    untyped_client: Any = client.raw
    with client.call():
        if row.reason.startswith(MISPLACED_TEXT) or row.kind == "string":
            untyped_client.delete(row.key)
        elif row.kind == "stream":
            if _find_exhausted(client, row.key):
                untyped_client.delete(row.key)
        elif row.kind == "list":
            untyped_client.lrem(row.key, 0, row.raw)
        elif untyped_client.hget(row.key, row.field) == row.raw:
            untyped_client.hdel(row.key, row.field)


def _find_unreadable(client: Client, key: str) -> list[Row]:
    table = next((each for each in TABLES if fnmatchcase(key, each.pattern)), None)
    if table is None and key not in STREAMS:
        return []
    try:
        if table is None:
            return _find_exhausted(client, key)
        rows = find_unreadable_rows(client, key, table.kind, table.shape)
    except BusError as error:
        if WRONG_TYPE_TEXT not in error.message:
            raise
        kind: Kind = "stream" if table is None else table.kind
        return [Row(kind, key, b"", b"", f"{MISPLACED_TEXT} {kind}")]
    if table.shape is int:
        return [row for row in _find_bad_number(client, key) if read_number(row.raw) is None]
    return [row for row in rows if table.shape is not float or not _is_time(row.raw)]


def _find_exhausted(client: Client, key: str) -> list[Row]:
    """The stream, if it accepts no entries: ids must increase, and a client wrote the last one."""
    with client.call() as raw:
        facts: Any = raw.xinfo_stream(key)
    last = facts["last-generated-id"]
    reason = "it accepts no more entries: an entry has the last possible id"
    return [Row("stream", key, b"", last, reason)] if last.startswith(LAST_MILLISECONDS) else []


def _find_bad_number(client: Client, key: str) -> list[Row]:
    with client.call() as raw:
        value: Any = raw.get(key)
    return [] if value is None else [Row("string", key, b"", value, "it is not a number")]


def _is_time(raw: bytes) -> bool:
    try:
        return math.isfinite(float(raw))
    except ValueError:
        return False
