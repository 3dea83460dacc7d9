"""Evidence snapshots for tests."""

import msgspec

from hemostat.core.evidence.build import build_snapshot
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from tests.support.samples import NOW, needed


def make_snapshot(occurrence: int = 1, rung: int = 0, log: str = "it broke\n") -> EvidenceSnapshot:
    made = build_snapshot(needed(), None, now=NOW, log=log)
    return msgspec.structs.replace(made, occurrence=occurrence, rung=rung)
