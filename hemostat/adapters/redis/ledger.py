"""The Ledger port: hashes of attempts, and a counter that every write increments. It contains no rules."""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.controls import APPROVALS_KEY, PAUSES_KEY, RESETS_KEY, build_controls
from hemostat.adapters.redis.incident_notes import make_incident_key, make_seal_key
from hemostat.adapters.redis.ledger_memory import (
    ATTEMPTS_SECONDS,
    KnownRows,
    LedgerMemory,
    make_restore_commands,
)
from hemostat.adapters.redis.rows import Kind, Quarantine, read_number, read_row, read_rows
from hemostat.core.ledger.alert_notes import list_note_suffixes, read_notes
from hemostat.core.ledger.controls import Approval
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit
from hemostat.core.notify.self_monitoring import LOST_DATA_PREFIX, format_unreadable_rows
from hemostat.core.settings.responder import MAX_LOOKBACK_SECONDS, MAX_RECENT_ATTEMPTS
from hemostat.errors import BusError

MAX_LATEST: Final = 1000
"""Ended attempts kept for views of the whole host: more than run in an hour."""

REMOVE_LIMIT_SCRIPT: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


RESTORED_WARNING: Final = "the attempts of this process were restored; check maxmemory-policy and persistence"
LOSS_WARNING_SECONDS: Final = 900.0
"""Seconds for which a loss is reported."""

logger = logging.getLogger(__name__)


class RedisLedger:
    """The ledger. Writes of this process are repeated if Redis has lost them."""

    def __init__(self, client: Client, now: Callable[[], float] = time.time) -> None:
        """`now` returns epoch seconds."""
        self._client = client
        self._remove_limit_script = client.raw.register_script(REMOVE_LIMIT_SCRIPT)
        self._quarantine = Quarantine(client, now)
        self._memory: defaultdict[str, LedgerMemory] = defaultdict(lambda: LedgerMemory(now))

    def read(self, host: str, container: str, incident: str = "", key: str = "") -> LedgerSnapshot:
        memory = self._memory[host]
        known_rows = memory.get_known()
        book, pauses = self._read_snapshot(host, container, incident, key)
        keys = {each.key for each in book.attempts}
        if known_rows.is_lost(book.version, container, keys, has_ended=bool(book.ended_attempts)):
            self._restore(host, known_rows, book.version, has_ended=bool(book.ended_attempts))
            book, pauses = self._read_snapshot(host, container, incident, key)
            book = known_rows.add_missing(book, container)
        memory.note_answer(book.version, pauses)
        return book

    def check(self, host: str) -> str:
        """Detect lost data and unreadable rows. Returns a warning, or an empty text.

        A ledger without a version gets one, so that a later loss is detected. Unreadable rows are set aside.
        """
        memory = self._memory[host]
        known_rows = memory.get_known()
        version, pauses = self._client.atomic([("GET", _make_keys(host, "")[0]), ("HGETALL", PAUSES_KEY)])
        version = self._repair_version(host, version, known_rows)
        if version < known_rows.version:
            self._restore(host, known_rows, version, has_ended=False)
        elif not version:
            self._client.atomic([("INCR", _make_keys(host, "")[0])])
        memory.note_answer(
            max(version, 1), _make_pairs(pauses) if version >= known_rows.version else known_rows.pauses
        )
        loss_warning = (
            f"{LOST_DATA_PREFIX}; {RESTORED_WARNING}" if memory.was_lost_within(LOSS_WARNING_SECONDS) else ""
        )
        unreadable_count = self._quarantine.sweep()
        return "; ".join(filter(None, (loss_warning, format_unreadable_rows(unreadable_count))))

    def _repair_version(self, host: str, version: bytes | None, known_rows: KnownRows) -> int:
        """The version. A counter that Redis cannot increment is set to this process's value."""
        number = read_number(version)
        if number is None:
            logger.error("ledger.version_repaired host=%s known=%d", host, known_rows.version)
            number = max(known_rows.version, 1)
            self._client.atomic([("SET", _make_keys(host, "")[0], number)])
        return number

    def _restore(self, host: str, known_rows: KnownRows, version: int, *, has_ended: bool) -> None:
        logger.warning("ledger.lost host=%s attempts=%d", host, len(known_rows.attempts))
        self._memory[host].note_loss()
        commands = make_restore_commands(
            known_rows,
            version,
            keys=lambda container: _make_keys(host, container),
            ended_key=_make_ended_key(host),
            pauses=PAUSES_KEY,
            has_ended=has_ended,
        )
        try:
            self._client.atomic(commands)
        except BusError as error:
            if error.transient:
                raise
            # An ACL may forbid a responder to write pauses. This process still applies its own data.
            logger.warning("ledger.restore_failed error=%s", error)

    def _read_snapshot(
        self, host: str, container: str, incident: str, key: str
    ) -> tuple[LedgerSnapshot, dict[bytes, bytes]]:
        version_key, running_key, attempts_key = _make_keys(host, container)
        answers = self._client.atomic(
            [
                ("GET", version_key),
                ("HVALS", running_key),
                ("HVALS", attempts_key),
                ("LRANGE", _make_ended_key(host), 0, MAX_RECENT_ATTEMPTS - 1),
                ("HGETALL", PAUSES_KEY),
                ("HGETALL", RESETS_KEY),
                ("HGET", APPROVALS_KEY, key),
                *(("GET", make_incident_key(host, incident) + suffix) for suffix in list_note_suffixes(key)),
                ("GET", make_seal_key(host, incident)),
                ("GET", _make_stop_key(host, container)),
            ]
        )
        (
            version,
            running,
            attempts,
            ended_rows,
            pauses,
            resets,
            approval,
            alerted_container,
            *notes,
            seal,
            stop,
        ) = answers
        book = LedgerSnapshot(
            version=read_number(version) or 0,
            attempts=self._read_attempts(attempts, attempts_key),
            running_attempts=self._read_attempts(running, running_key),
            ended_attempts=self._read_attempts(ended_rows, _make_ended_key(host), "list"),
            controls=build_controls(_make_pairs(pauses), _make_pairs(resets)),
            approval=self._read_approval(approval),
            alerted_container=(alerted_container or b"").decode(errors="replace"),
            notes=read_notes(key, *notes),
            seal=(seal or b"").decode(errors="replace"),
            manual_stop=read_row(stop, ManualStop),
        )
        return book, _make_pairs(pauses)

    def _read_attempts(self, values: list[bytes], key: str, kind: Kind = "hash") -> tuple[Attempt, ...]:
        """The attempts, oldest first. Unreadable rows are left out and set aside later."""
        attempts = [each for each in map(_read_attempt, values) if each is not None]
        if len(attempts) < len(values):
            self._quarantine.note(key, kind, Attempt)
        return tuple(sorted(attempts, key=lambda attempt: attempt.time))

    def _read_approval(self, raw: bytes | None) -> Approval | None:
        """The approval. An unreadable one allows no action."""
        approval = read_row(raw, Approval)
        if raw and approval is None:
            self._quarantine.note(APPROVALS_KEY, "hash", Approval)
        return approval

    def list_attempts(self, host: str, container: str) -> tuple[Attempt, ...]:
        with self._client.call() as raw:
            values: Any = raw.hvals(_make_keys(host, container)[2])
        return self._read_attempts(values, _make_keys(host, container)[2])

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        value: Any = msgspec.json.encode(stop)
        seconds = max(1, math.ceil(stop.until - stop.time))
        with self._client.call() as raw:
            raw.set(_make_stop_key(host, container), value, ex=seconds)

    def read_host(self, host: str) -> LedgerSnapshot:
        """The host's whole ledger.

        Not a script: users that only read may not run scripts. Not a transaction: a full Redis refuses it.
        The version is read first, so that a decision based on later rows fails to write.
        """
        version_key, running_key, _ = _make_keys(host, "")
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            batch.get(version_key)
            batch.hvals(running_key)
            batch.lrange(_make_ended_key(host), 0, MAX_LATEST - 1)
            batch.hgetall(PAUSES_KEY)
            batch.hgetall(RESETS_KEY)
            version, running, ended_rows, pauses, resets = batch.execute()
        return LedgerSnapshot(
            version=read_number(version) or 0,
            attempts=self._read_attempts([*running, *ended_rows], running_key),
            running_attempts=self._read_attempts(running, running_key),
            ended_attempts=self._read_attempts(
                ended_rows[:MAX_RECENT_ATTEMPTS], _make_ended_key(host), "list"
            ),
            controls=build_controls(pauses, resets),
        )

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        counter, *hashes = _make_keys(host, attempt.container)
        value, since = msgspec.json.encode(attempt), attempt.time - MAX_LOOKBACK_SECONDS
        won = self._client.swap(
            counter, version, hashes, attempt.key, value, since=since, ttl=ATTEMPTS_SECONDS
        )
        if won:
            self._memory[host].note_attempt(attempt)
        return won

    def finish(self, host: str, attempt: Attempt) -> None:
        version, running, attempts = _make_keys(host, attempt.container)
        value = msgspec.json.encode(attempt)
        self._client.atomic(
            [
                ("INCR", version),
                ("HSET", attempts, attempt.key, value),
                ("LPUSH", _make_ended_key(host), value),
                ("LTRIM", _make_ended_key(host), 0, MAX_LATEST - 1),
                ("HDEL", running, attempt.key),
                ("EXPIRE", attempts, ATTEMPTS_SECONDS),
            ]
        )
        self._memory[host].note_attempt(attempt)

    def list_raised_limits(self, host: str) -> list[RaisedLimit]:
        with self._client.call() as raw:
            values: Any = raw.hvals(_make_limits_key(host))
        rows = read_rows(values, RaisedLimit)
        if len(rows) < len(values):
            self._quarantine.note(_make_limits_key(host), "hash", RaisedLimit)
        return rows

    def save_raised_limit(self, host: str, scaled: RaisedLimit) -> None:
        earlier = next(
            (
                each
                for each in self.list_raised_limits(host)
                if _make_limit_field(each) == _make_limit_field(scaled)
            ),
            None,
        )
        value: Any = msgspec.json.encode(scaled if earlier is None else scaled.repeat_after(earlier))
        with self._client.call() as raw:
            raw.hset(_make_limits_key(host), _make_limit_field(scaled), value)

    def remove_raised_limit(self, host: str, scaled: RaisedLimit) -> bool:
        """Rows are compared by value.

        Another version may write the same row in other bytes, and a limit in bytes is written as an integer
        and read as a float.
        """
        with self._client.call() as raw:
            row: Any = raw.hget(_make_limits_key(host), _make_limit_field(scaled))
        if read_row(row, RaisedLimit) != scaled:
            return False
        with self._client.call():
            return bool(
                self._remove_limit_script(
                    keys=[_make_limits_key(host)], args=[_make_limit_field(scaled), row]
                )
            )


def _make_limits_key(host: str) -> str:
    return f"{PREFIX}ledger:{host}:scaled"


def _make_stop_key(host: str, container: str) -> str:
    return f"{PREFIX}ledger:{host}:stop:{container}"


def _make_limit_field(scaled: RaisedLimit) -> str:
    return f"{scaled.subject}:{scaled.resource}"


def _make_ended_key(host: str) -> str:
    return f"{PREFIX}ledger:{host}:ended"


def _make_keys(host: str, container: str) -> tuple[str, str, str]:
    prefix = f"{PREFIX}ledger:{host}"
    return f"{prefix}:version", f"{prefix}:running", f"{prefix}:of:{container}"


def _make_pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


@lru_cache(maxsize=2 * MAX_LATEST)
def _read_attempt(value: bytes) -> Attempt | None:
    """A host's latest attempts are part of every snapshot. Only changed rows are parsed again."""
    return read_row(value, Attempt)
