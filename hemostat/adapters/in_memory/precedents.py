"""The PrecedentStore and LlmBudget ports in memory. Safe to use from several threads at once."""

import threading

from hemostat.core.diagnosis.case import Precedent
from hemostat.core.llm.cost_budget import LlmUsage
from hemostat.ports import Clock

MAX_PRECEDENTS = 20


class InMemoryPrecedents:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._precedents: dict[str, dict[str, Precedent]] = {}
        self._advice: dict[str, tuple[float, bytes]] = {}
        self._lock = threading.Lock()

    def add_precedent(self, signature: str, key: str, precedent: Precedent) -> None:
        with self._lock:
            rows = {**self._precedents.get(signature, {}), key: precedent}
            newest = sorted(rows.items(), key=lambda row: row[1].time)[-MAX_PRECEDENTS:]
            self._precedents[signature] = dict(newest)

    def list_precedents(self, signature: str) -> list[Precedent]:
        with self._lock:
            return sorted(self._precedents.get(signature, {}).values(), key=lambda precedent: precedent.time)

    def cache_advice(self, likeness: str, advice: bytes, ttl: float) -> None:
        with self._lock:
            self._advice[likeness] = (self._clock.now() + ttl, advice)

    def get_cached_advice(self, likeness: str) -> bytes | None:
        with self._lock:
            until, advice = self._advice.get(likeness, (0.0, b""))
            return advice if self._clock.now() < until else None


class InMemoryLlmBudget:
    def __init__(self) -> None:
        self._usages: dict[str, LlmUsage] = {}
        self._version = 0
        self._lock = threading.Lock()

    def read(self) -> tuple[int, list[LlmUsage]]:
        with self._lock:
            return self._version, sorted(self._usages.values(), key=lambda each: each.time)

    def take(self, spending: LlmUsage, version: int) -> bool:
        with self._lock:
            if version != self._version:
                return False
            self._version += 1
            self._usages[spending.id] = spending
            return True

    def settle(self, spending: LlmUsage) -> None:
        with self._lock:
            self._usages[spending.id] = spending
