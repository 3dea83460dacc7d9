"""The Desk port: one hash of pauses, one of resets, one of requests for approval."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hemostat.adapters.redis.client import PREFIX, Client
from hemostat.core.control import Answer, Approval, Controls, Pause

PAUSES: Final = f"{PREFIX}control:pauses"
RESETS: Final = f"{PREFIX}control:resets"
APPROVALS: Final = f"{PREFIX}approvals"
KEPT: Final = 24 * 3600.0
"""Seconds for which a request stays on the desk after its time was up."""

ASK: Final = """
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
for i = 3, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
return redis.call('HGET', KEYS[1], ARGV[1])
"""

ANSWER: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
"""Compare and set: of two people that answer at once, one does."""


def controls(pauses: Mapping[bytes, bytes], resets: Mapping[bytes, bytes]) -> Controls:
    """From the two hashes."""
    return Controls(
        pauses={name.decode(): msgspec.json.decode(value, type=Pause) for name, value in pauses.items()},
        resets={name.decode(): float(value) for name, value in resets.items()},
    )


class RedisDesk:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._ask = client.raw.register_script(ASK)
        self._answer = client.raw.register_script(ANSWER)

    def controls(self) -> Controls:
        with self._client.call() as raw, raw.pipeline(transaction=True) as batch:
            batch.hgetall(PAUSES)
            batch.hgetall(RESETS)
            pauses, resets = batch.execute()
        return controls(pauses, resets)

    def pause(self, container: str, pause: Pause) -> None:
        with self._client.call() as raw:
            raw.hset(PAUSES, container, msgspec.json.encode(pause))

    def resume(self, container: str) -> bool:
        with self._client.call() as raw:
            return bool(raw.hdel(PAUSES, container))

    def reset(self, container: str, now: float) -> None:
        with self._client.call() as raw:
            raw.hset(RESETS, container, str(now))

    def ask(self, approval: Approval) -> Approval:
        old = [each.key for each in self.approvals() if each.until < approval.asked - KEPT]
        with self._client.call():
            raw: Any = self._ask(keys=[APPROVALS], args=[approval.key, msgspec.json.encode(approval), *old])
        return msgspec.json.decode(raw, type=Approval)

    def answer(
        self, approval_id: str, answer: Answer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        for key, raw in self._all().items():
            approval = msgspec.json.decode(raw, type=Approval)
            if approval.id != approval_id:
                continue
            if not approval.is_open(now):
                return approval
            told = msgspec.structs.replace(approval, answer=answer, by=by, reason=reason, answered=now)
            with self._client.call():
                won = self._answer(keys=[APPROVALS], args=[key, raw, msgspec.json.encode(told)])
            return told if won else self.answer(approval_id, answer, by=by, reason=reason, now=now)
        return None

    def approvals(self) -> list[Approval]:
        found = [msgspec.json.decode(raw, type=Approval) for raw in self._all().values()]
        return sorted(found, key=lambda approval: approval.asked)

    def _all(self) -> Mapping[bytes, bytes]:
        with self._client.call() as raw:
            found: Any = raw.hgetall(APPROVALS)
        return dict(found)
