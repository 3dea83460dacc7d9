"""The Ledger port: hashes of attempts, and one counter that every write moves. No rule stands here."""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from hemostat.adapters.redis.bus import incident_key, seal_key
from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.controls import APPROVALS, PAUSES, RESETS, controls
from hemostat.adapters.redis.ledger_memory import KnownRows, LedgerMemory, restore
from hemostat.adapters.redis.rows import Kind, Quarantine, read_number, read_row, read_rows
from hemostat.core.ledger.alert_notes import note_suffixes, read_notes
from hemostat.core.ledger.controls import Approval
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit
from hemostat.core.notify.self_monitoring import LOST, tell_unreadable
from hemostat.core.settings.responder import LATEST, REMEMBERED
from hemostat.errors import BusError

SURVEYED: Final = 1000
"""Those that are kept, for whoever looks at the whole host: more than are done in an hour."""

DROP: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


RESTORED: Final = "the attempts of this process were written back; see maxmemory-policy and persistence there"
LOSS_TOLD: Final = 900.0
"""Seconds for which people are told of a loss."""

logger = logging.getLogger(__name__)


class RedisLedger:
    """What this process has written is written again where Redis has lost it."""

    def __init__(self, client: Client, now: Callable[[], float] = time.time) -> None:
        """`now` gives epoch seconds."""
        self._client = client
        self._drop = client.raw.register_script(DROP)
        self._quarantine = Quarantine(client, now)
        self._memory: defaultdict[str, LedgerMemory] = defaultdict(lambda: LedgerMemory(now))

    def read(self, host: str, container: str, incident: str = "", key: str = "") -> LedgerSnapshot:
        memory = self._memory[host]
        known = memory.known()
        book, pauses = self._read(host, container, incident, key)
        keys = {each.key for each in book.attempts}
        if known.is_lost(book.version, container, keys, has_ended=bool(book.ended)):
            self._restore(host, known, book.version, has_ended=bool(book.ended))
            book, pauses = self._read(host, container, incident, key)
            book = known.complete(book, container)
        memory.note_answer(book.version, pauses)
        return book

    def check(self, host: str) -> str:
        """A ledger without a version is given one: that it is missing tells of a loss from then on. Rows that
        could not be read are set aside."""
        memory = self._memory[host]
        known = memory.known()
        version, pauses = self._client.atomic([("GET", _keys(host, "")[0]), ("HGETALL", PAUSES)])
        version = self._repair_version(host, version, known)
        if version < known.version:
            self._restore(host, known, version, has_ended=False)
        elif not version:
            self._client.atomic([("INCR", _keys(host, "")[0])])
        memory.note_answer(max(version, 1), _pairs(pauses) if version >= known.version else known.pauses)
        lost = f"{LOST}; {RESTORED}" if memory.lost_within(LOSS_TOLD) else ""
        aside = self._quarantine.sweep()
        return "; ".join(filter(None, (lost, tell_unreadable(aside))))

    def _repair_version(self, host: str, version: bytes | None, known: KnownRows) -> int:
        """A counter that Redis cannot count on is set to what this process knows."""
        number = read_number(version)
        if number is None:
            logger.error("ledger.version_repaired host=%s known=%d", host, known.version)
            number = max(known.version, 1)
            self._client.atomic([("SET", _keys(host, "")[0], number)])
        return number

    def _restore(self, host: str, known: KnownRows, version: int, *, has_ended: bool) -> None:
        logger.warning("ledger.lost host=%s attempts=%d", host, len(known.attempts))
        self._memory[host].note_loss()
        commands = restore(
            known,
            version,
            keys=lambda container: _keys(host, container),
            ended=_ended(host),
            pauses=PAUSES,
            has_ended=has_ended,
        )
        try:
            self._client.atomic(commands)
        except BusError as error:
            if error.transient:
                raise
            # An ACL may forbid the pauses to a responder: what is known counts for this process all the same.
            logger.warning("ledger.not_restored error=%s", error)

    def _read(
        self, host: str, container: str, incident: str, key: str
    ) -> tuple[LedgerSnapshot, dict[bytes, bytes]]:
        version_key, running_key, attempts_key = _keys(host, container)
        answers = self._client.atomic(
            [
                ("GET", version_key),
                ("HVALS", running_key),
                ("HVALS", attempts_key),
                ("LRANGE", _ended(host), 0, LATEST - 1),
                ("HGETALL", PAUSES),
                ("HGETALL", RESETS),
                ("HGET", APPROVALS, key),
                *(("GET", incident_key(host, incident) + suffix) for suffix in note_suffixes(key)),
                ("GET", seal_key(host, incident)),
                ("GET", _stop(host, container)),
            ]
        )
        version, running, attempts, ended, pauses, resets, approval, patient, *notes, seal, stop = answers
        book = LedgerSnapshot(
            version=read_number(version) or 0,
            attempts=self._attempts(attempts, attempts_key),
            running=self._attempts(running, running_key),
            ended=self._attempts(ended, _ended(host), "list"),
            controls=controls(_pairs(pauses), _pairs(resets)),
            approval=self._approval(approval),
            patient=(patient or b"").decode(errors="replace"),
            notes=read_notes(*notes),
            seal=(seal or b"").decode(errors="replace"),
            stopping=read_row(stop, ManualStop),
        )
        return book, _pairs(pauses)

    def _attempts(self, values: list[bytes], key: str, kind: Kind = "hash") -> tuple[Attempt, ...]:
        """Oldest first, without those that cannot be read: these are set aside later."""
        attempts = [each for each in map(_attempt, values) if each is not None]
        if len(attempts) < len(values):
            self._quarantine.note(key, kind, Attempt)
        return tuple(sorted(attempts, key=lambda attempt: attempt.time))

    def _approval(self, raw: bytes | None) -> Approval | None:
        """One that cannot be read allows nothing."""
        approval = read_row(raw, Approval)
        if raw and approval is None:
            self._quarantine.note(APPROVALS, "hash", Approval)
        return approval

    def attempts(self, host: str, container: str) -> tuple[Attempt, ...]:
        with self._client.call() as raw:
            values: Any = raw.hvals(_keys(host, container)[2])
        return self._attempts(values, _keys(host, container)[2])

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        kept: Any = msgspec.json.encode(stop)
        seconds = max(1, math.ceil(stop.until - stop.time))
        with self._client.call() as raw:
            raw.set(_stop(host, container), kept, ex=seconds)

    def survey(self, host: str) -> LedgerSnapshot:
        """No script: whoever only looks may not run any. No transaction: a full Redis refuses it. The version
        is read first, so that what is decided on later rows is not written."""
        version_key, running_key, _ = _keys(host, "")
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            batch.get(version_key)
            batch.hvals(running_key)
            batch.lrange(_ended(host), 0, SURVEYED - 1)
            batch.hgetall(PAUSES)
            batch.hgetall(RESETS)
            version, running, ended, pauses, resets = batch.execute()
        return LedgerSnapshot(
            version=read_number(version) or 0,
            attempts=self._attempts([*running, *ended], running_key),
            running=self._attempts(running, running_key),
            ended=self._attempts(ended[:LATEST], _ended(host), "list"),
            controls=controls(pauses, resets),
        )

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        counter, *hashes = _keys(host, attempt.container)
        told, since = msgspec.json.encode(attempt), attempt.time - REMEMBERED
        won = self._client.swap(counter, version, hashes, attempt.key, told, since=since)
        if won:
            self._memory[host].note_attempt(attempt)
        return won

    def finish(self, host: str, attempt: Attempt) -> None:
        version, running, attempts = _keys(host, attempt.container)
        told = msgspec.json.encode(attempt)
        self._client.atomic(
            [
                ("INCR", version),
                ("HSET", attempts, attempt.key, told),
                ("LPUSH", _ended(host), told),
                ("LTRIM", _ended(host), 0, SURVEYED - 1),
                ("HDEL", running, attempt.key),
            ]
        )
        self._memory[host].note_attempt(attempt)

    def scaled(self, host: str) -> list[RaisedLimit]:
        with self._client.call() as raw:
            values: Any = raw.hvals(_scaled(host))
        rows = read_rows(values, RaisedLimit)
        if len(rows) < len(values):
            self._quarantine.note(_scaled(host), "hash", RaisedLimit)
        return rows

    def keep_scaled(self, host: str, scaled: RaisedLimit) -> None:
        earlier = next((each for each in self.scaled(host) if _field(each) == _field(scaled)), None)
        kept: Any = msgspec.json.encode(scaled if earlier is None else scaled.again(earlier))
        with self._client.call() as raw:
            raw.hset(_scaled(host), _field(scaled), kept)

    def drop_scaled(self, host: str, scaled: RaisedLimit) -> bool:
        """Rows are compared by value: another version may write the same row in other bytes, and a limit in
        bytes is written as an integer and read as a float."""
        with self._client.call() as raw:
            row: Any = raw.hget(_scaled(host), _field(scaled))
        if read_row(row, RaisedLimit) != scaled:
            return False
        with self._client.call():
            return bool(self._drop(keys=[_scaled(host)], args=[_field(scaled), row]))


def _scaled(host: str) -> str:
    return f"{PREFIX}ledger:{host}:scaled"


def _stop(host: str, container: str) -> str:
    return f"{PREFIX}ledger:{host}:stop:{container}"


def _field(scaled: RaisedLimit) -> str:
    return f"{scaled.subject}:{scaled.resource}"


def _ended(host: str) -> str:
    return f"{PREFIX}ledger:{host}:ended"


def _keys(host: str, container: str) -> tuple[str, str, str]:
    prefix = f"{PREFIX}ledger:{host}"
    return f"{prefix}:version", f"{prefix}:running", f"{prefix}:of:{container}"


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


@lru_cache(maxsize=2 * SURVEYED)
def _attempt(value: bytes) -> Attempt | None:
    """A host's latest attempts come with every book, and are read anew where they have changed alone."""
    return read_row(value, Attempt)
