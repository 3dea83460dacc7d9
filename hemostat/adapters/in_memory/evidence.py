"""The EvidenceStore port in memory."""

import threading
from collections import defaultdict
from typing import Final

from hemostat.core.evidence.snapshot import EvidenceSnapshot

MAX_SNAPSHOTS: Final = 10
KEPT_SECONDS: Final = 7 * 24 * 3600.0
"""Seconds after the last snapshot."""


class InMemoryEvidence:
    """Time is that of the snapshots: those a week older than the newest of all are removed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshots: dict[str, dict[tuple[int, int], EvidenceSnapshot]] = defaultdict(dict)

    def put(self, incident: str, snapshot: EvidenceSnapshot) -> bool:
        with self._lock:
            snapshots, key = self._snapshots[incident], (snapshot.occurrence, snapshot.rung)
            if key in snapshots:
                return False
            snapshots[key] = snapshot
            for old in sorted(snapshots)[:-MAX_SNAPSHOTS]:
                del snapshots[old]
            self._expire(snapshot.time)
            return True

    def _expire(self, now: float) -> None:
        for incident, snapshots in list(self._snapshots.items()):
            if max(each.time for each in snapshots.values()) < now - KEPT_SECONDS:
                del self._snapshots[incident]

    def get(self, incident: str) -> list[EvidenceSnapshot]:
        with self._lock:
            snapshots = self._snapshots.get(incident, {})
            return [snapshots[key] for key in sorted(snapshots)]
