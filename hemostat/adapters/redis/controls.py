"""The ControlStore port: one hash of pauses, one of breaker resets, one of requests for approval."""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import redis

from hemostat.adapters.redis import keys
from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.adapters.redis.rows import Quarantine, Row, find_fault, read_row, read_rows
from hemostat.core.ledger.controls import (
    ALL_CONTAINERS,
    UNREADABLE_PAUSE_AUTHOR,
    Approval,
    ApprovalAnswer,
    Controls,
    Pause,
    find_approval,
)

PAUSES_KEY: Final = f"{PREFIX}control:pauses"
RESETS_KEY: Final = f"{PREFIX}control:resets"
APPROVALS_KEY: Final = keys.APPROVALS_KEY
FALLBACK_PAUSE: Final = Pause(
    by=UNREADABLE_PAUSE_AUTHOR, at=0.0, reason="see hemostat repair, or lift it with hemostat resume"
)
"""Replaces an unreadable pause: remediation stays paused."""
KEPT_SECONDS: Final = 24 * 3600.0
"""Seconds for which a request is kept after it expired."""

MAX_KEPT: Final = 1000
"""Requests from which on those that expired are kept for CROWDED_SECONDS only: a label requests approval."""
CROWDED_SECONDS: Final = 3600.0
REMOVAL_SECONDS: Final = 10.0
"""Seconds after a removal of requests in which a process does not remove others."""
MAX_APPROVAL_BYTES: Final = 1 << 20
"""Limit of one request.

No responder writes a larger one, and the list must stay small enough for Redis to send.
"""

ASK_SCRIPT: Final = """
local kept = ARGV[7] == '1' and redis.call('HGETALL', KEYS[1]) or {}
local oldest = tonumber(#kept > 2 * ARGV[5] and ARGV[6] or ARGV[3])
for i = 1, #kept, 2 do
  local is_large = #kept[i] + #kept[i + 1] > tonumber(ARGV[4])
  local fine, row = pcall(cjson.decode, is_large and '' or kept[i + 1])
  local last = fine and type(row) == 'table' and type(row['until']) == 'number' and row['until']
  if is_large or (last and last < oldest) then redis.call('HDEL', KEYS[1], kept[i]) end
end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
"""
"""Arguments: the request's key and value, the time before which others are removed, the largest size, the
number from which on there are too many, the time before which others are removed then, and whether others are
removed at all: that takes Redis some microseconds for each of them."""

WITHDRAW_SCRIPT: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3])
"""
"""Compare and set with the commands that a responder may use. Arguments: the request's key, the value before
and the value after."""


def build_controls(pauses: Mapping[bytes, bytes], resets: Mapping[bytes, bytes]) -> Controls:
    """The controls from the two hashes.

    An unreadable pause counts; with an unreadable name, for all containers.
    """
    pauses_by_name = {
        _read_container(name): read_row(value, Pause) or FALLBACK_PAUSE for name, value in pauses.items()
    }
    times = {_read_container(name): _read_time(value) for name, value in resets.items()}
    return Controls(
        pauses=pauses_by_name, resets={name: time for name, time in times.items() if time is not None}
    )


def _read_container(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return ALL_CONTAINERS


def _read_time(raw: bytes) -> float | None:
    """The time, or None for a value that is not a time: then the breaker counts as not reset."""
    try:
        time = float(raw)
    except ValueError:
        return None
    return time if math.isfinite(time) else None


class RedisControls:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._quarantine = Quarantine(client)
        self._removed_at = 0.0
        """When expired requests were last removed (epoch seconds)."""
        self._ask_script = client.raw.register_script(ASK_SCRIPT)
        self._withdraw_script = client.raw.register_script(WITHDRAW_SCRIPT)

    def read_controls(self) -> Controls:
        with self._client.call() as raw, raw.pipeline(transaction=False) as batch:
            batch.hgetall(PAUSES_KEY)
            batch.hgetall(RESETS_KEY)
            pauses, resets = batch.execute()
        return build_controls(pauses, resets)

    def pause(self, container: str, pause: Pause) -> None:
        with self._client.call() as raw:
            raw.hset(PAUSES_KEY, container, msgspec.json.encode(pause))

    def resume(self, container: str) -> bool:
        with self._client.call() as raw:
            return bool(raw.hdel(PAUSES_KEY, container))

    def reset_breaker(self, container: str, now: float) -> None:
        with self._client.call() as raw:
            raw.hset(RESETS_KEY, container, str(now))

    def request_approval(self, approval: Approval) -> Approval:
        value = msgspec.json.encode(approval)
        removes = not 0 <= approval.asked - self._removed_at < REMOVAL_SECONDS
        self._removed_at = approval.asked if removes else self._removed_at
        while True:
            with self._client.call():
                raw: Any = self._ask_script(
                    keys=[APPROVALS_KEY],
                    args=[
                        *(approval.key, value, approval.asked - KEPT_SECONDS, MAX_APPROVAL_BYTES),
                        *(MAX_KEPT, approval.asked - CROWDED_SECONDS, int(removes)),
                    ],
                )
            if (open_approval := read_row(raw, Approval)) is not None:
                return open_approval
            row = Row("hash", APPROVALS_KEY, approval.key.encode(), raw, find_fault(raw, Approval))
            self._quarantine.move(row)

    def answer_approval(
        self, approval_id: str, answer: ApprovalAnswer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        rows = [(key, raw, read_row(raw, Approval)) for key, raw in self._read_all().items()]
        approval = find_approval((each for _, _, each in rows if each is not None), approval_id, now)
        if approval is None or not approval.is_open(now):
            return approval
        key, raw = next((key, raw) for key, raw, each in rows if each is approval)
        new_approval = msgspec.structs.replace(approval, answer=answer, by=by, reason=reason, answered=now)
        if self._replace(key, raw, msgspec.json.encode(new_approval)):
            return new_approval
        return self.answer_approval(approval_id, answer, by=by, reason=reason, now=now)

    def _replace(self, key: bytes, before: bytes, after: bytes) -> bool:
        """Compare and set, without a script. Of two simultaneous answers, one succeeds."""
        with self._client.call() as raw, raw.pipeline(transaction=True) as batch:
            changed: Any = batch
            changed.watch(APPROVALS_KEY)
            if changed.hget(APPROVALS_KEY, key) != before:
                return False
            changed.multi()
            changed.hset(APPROVALS_KEY, key, after)
            try:
                changed.execute()
            except redis.WatchError:
                return False
            return True

    def withdraw_approval(self, key: str, *, by: str, reason: str, now: float) -> None:
        is_done = False
        while not is_done:
            with self._client.call() as raw:
                before: Any = raw.hget(APPROVALS_KEY, key)
                approval = read_row(before, Approval)
                if approval is None or not approval.is_open(now):
                    return
                after = msgspec.json.encode(approval.withdraw(by=by, reason=reason, now=now))
                is_done = bool(self._withdraw_script(keys=[APPROVALS_KEY], args=[key, before, after]))

    def list_approvals(self) -> list[Approval]:
        approvals = read_rows(list(self._read_all().values()), Approval)
        return sorted(approvals, key=lambda approval: approval.asked)

    def _read_all(self) -> Mapping[bytes, bytes]:
        with self._client.call() as raw:
            rows: Any = raw.hgetall(APPROVALS_KEY)
        return dict(rows)
