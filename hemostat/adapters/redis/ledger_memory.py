"""A process's copy of ledger rows, so that data loss in Redis does not reset the action budget to zero.

Redis may lose keys while HemoStat runs: by eviction, FLUSHALL, a restart without persistence, or a failover
to a replica that was behind. The ledger's version, which only grows, reveals most losses.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from hemostat.adapters.redis.client import Command
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.settings.responder import MAX_LOOKBACK_SECONDS

Pairs = Mapping[bytes, bytes]
MARGIN_SECONDS: Final = 60.0
"""Seconds before its expiry from which a missing attempt is no loss: other clients may have removed it."""


ATTEMPTS_SECONDS: Final = int(MAX_LOOKBACK_SECONDS) + 3600
"""Seconds for which the attempts on a container are kept after the last of them."""


class KnownRows(msgspec.Struct, frozen=True):
    """Rows that were in Redis before a read began, so the answer must contain them. Attempts are by key."""

    version: int = 0
    attempts: Mapping[str, Attempt] = {}
    pauses: Pairs = {}

    def is_lost(self, version: int, container: str, keys: Collection[str], *, has_ended: bool) -> bool:
        """Whether an answer with this version and these attempts of the container lacks a row."""
        own = {key for key, each in self.attempts.items() if each.container == container}
        knows_ended = any(each.outcome is not None for each in self.attempts.values())
        return version < self.version or not own.issubset(keys) or (knows_ended and not has_ended)

    def add_missing(self, book: LedgerSnapshot, container: str) -> LedgerSnapshot:
        """The snapshot with the attempts on the container that it lacks."""
        keys = {each.key for each in book.attempts}
        own = [each for each in self.attempts.values() if each.container == container]
        missing = [each for each in own if each.key not in keys]
        attempts = sorted((*book.attempts, *missing), key=lambda each: each.time)
        return msgspec.structs.replace(book, attempts=tuple(attempts))


class LedgerMemory:
    """The known rows of one host in this process. Safe to use from several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns epoch seconds."""
        self._now = now
        self._lock = threading.Lock()
        self._known = KnownRows()
        self.lost_at = 0.0
        """When a loss was last noticed, epoch seconds. 0 for never."""

    def get_known(self) -> KnownRows:
        """The rows that an answer must contain: without attempts that Redis may have removed or expired."""
        with self._lock:
            return msgspec.structs.replace(self._known, attempts=self._list_current())

    def note_attempt(self, attempt: Attempt) -> None:
        with self._lock:
            attempts = self._list_current() | {attempt.key: attempt}
            self._known = msgspec.structs.replace(self._known, attempts=attempts)

    def _list_current(self) -> dict[str, Attempt]:
        since = self._now() - MAX_LOOKBACK_SECONDS + MARGIN_SECONDS
        return {key: each for key, each in self._known.attempts.items() if each.time > since}

    def note_answer(self, version: int, pauses: Pairs) -> None:
        with self._lock:
            version = max(version, self._known.version)
            self._known = msgspec.structs.replace(self._known, version=version, pauses=pauses)

    def note_loss(self) -> None:
        self.lost_at = self._now()

    def was_lost_within(self, seconds: float) -> bool:
        return 0 <= self._now() - self.lost_at < seconds


def make_restore_commands(
    known_rows: KnownRows,
    version: int,
    *,
    keys: Callable[[str], tuple[str, str, str]],
    ended_key: str,
    pauses: str,
    has_ended: bool,
) -> list[Command]:
    """Commands that write the known rows back.

    `keys`: the keys of a container's version, running attempts and all attempts. The pauses come last: for a
    user that may not write them, the rest is already restored.
    """
    ordered = sorted(known_rows.attempts.values(), key=lambda each: each.time)
    rows = [(each, msgspec.json.encode(each), keys(each.container)) for each in ordered]
    lost_all = version < known_rows.version
    return [
        *(("HSETNX", attempts, each.key, raw) for each, raw, (_, _, attempts) in rows),
        *(("HSETNX", running, each.key, raw) for each, raw, (_, running, _) in rows if each.outcome is None),
        *(("LPUSH", ended_key, raw) for each, raw, _ in rows if each.outcome is not None and not has_ended),
        *(("EXPIRE", key, ATTEMPTS_SECONDS) for key in dict.fromkeys(own for _, _, (_, _, own) in rows)),
        *([("INCRBY", keys("")[0], known_rows.version - version)] if lost_all else []),
        *(("HSETNX", pauses, name, value) for name, value in known_rows.pauses.items() if lost_all),
    ]
