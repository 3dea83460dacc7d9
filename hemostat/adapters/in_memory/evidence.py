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

    def put(self, incident: str, dossier: EvidenceSnapshot) -> bool:
        with self._lock:
            kept, key = self._snapshots[incident], (dossier.occurrence, dossier.rung)
            if key in kept:
                return False
            kept[key] = dossier
            for old in sorted(kept)[:-MAX_SNAPSHOTS]:
                del kept[old]
            self._expire(dossier.time)
            return True

    def _expire(self, now: float) -> None:
        for incident, kept in list(self._snapshots.items()):
            if max(each.time for each in kept.values()) < now - KEPT_SECONDS:
                del self._snapshots[incident]

    def get(self, incident: str) -> list[EvidenceSnapshot]:
        with self._lock:
            kept = self._snapshots.get(incident, {})
            return [kept[key] for key in sorted(kept)]
