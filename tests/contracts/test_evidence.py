"""The contract of EvidenceStore: Redis and the in-memory fake."""

import msgspec
import pytest

from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.redis import Client, RedisEvidence
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun, MetricPoint
from hemostat.ports import EvidenceStore
from tests.support.evidence import make_snapshot
from tests.support.samples import NOW


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def dossiers(request: pytest.FixtureRequest) -> EvidenceStore:
    if request.param == "memory":
        return InMemoryEvidence()
    return RedisEvidence(request.getfixturevalue("redis_client"))


def test_evidence_is_found_by_its_incident(dossiers: EvidenceStore) -> None:
    assert dossiers.get("i1") == []
    assert dossiers.put("i1", make_snapshot())
    assert dossiers.get("i1") == [make_snapshot()]
    assert dossiers.get("i2") == []


def test_first_evidence_of_an_occurrence_is_kept(dossiers: EvidenceStore) -> None:
    """A redelivered request sees the container as the action left it."""
    assert dossiers.put("i1", make_snapshot(log="before"))
    assert not dossiers.put("i1", make_snapshot(log="after"))
    assert dossiers.get("i1") == [make_snapshot(log="before")]


def test_each_ladder_step_has_its_own_evidence(dossiers: EvidenceStore) -> None:
    for occurrence, rung in ((2, 0), (1, 1), (1, 0)):
        assert dossiers.put("i1", make_snapshot(occurrence, rung))
    assert dossiers.get("i1") == [make_snapshot(1, 0), make_snapshot(1, 1), make_snapshot(2, 0)]


def test_the_newest_ten_are_kept(dossiers: EvidenceStore) -> None:
    for occurrence in range(1, 13):
        assert dossiers.put("i1", make_snapshot(occurrence))
    assert [each.occurrence for each in dossiers.get("i1")] == list(range(3, 13))


@pytest.mark.redis
def test_evidence_expires_after_a_week(redis_client: Client) -> None:
    RedisEvidence(redis_client).put("i1", make_snapshot())
    week = 7 * 24 * 3600
    assert week - 60 < redis_client.raw.ttl("hemostat:evidence:i1") <= week


@pytest.mark.redis
@pytest.mark.parametrize(
    "changes",
    [
        {"time": 1e300},
        {"time": -1.0},
        {"samples": (MetricPoint(1e12, 1.0, 1),)},
        {"samples": (MetricPoint(NOW, 1.0, 10**30),)},
        {"details": ContainerDetails(checks=(HealthcheckRun(time=1e300, exit_code=1),))},
    ],
)
def test_evidence_with_numbers_out_of_range_is_left_out(
    redis_client: Client, changes: dict[str, object]
) -> None:
    """A reader would fail at a time beyond the calendar, which another user has written."""
    evidence_store = RedisEvidence(redis_client)
    evidence_store.put("i1", make_snapshot(1))
    evidence_store.put("i1", msgspec.structs.replace(make_snapshot(2), **changes))
    assert evidence_store.get("i1") == [make_snapshot(1)]


def test_in_memory_evidence_expires_after_a_week() -> None:
    dossiers = InMemoryEvidence()
    dossiers.put("old", make_snapshot())
    dossiers.put("new", msgspec.structs.replace(make_snapshot(), time=NOW + 8 * 24 * 3600))
    assert (dossiers.get("old"), len(dossiers.get("new"))) == ([], 1)
