"""The contract of AuditAnchor: Redis and the in-memory fake."""

import pytest

from hemostat.adapters.in_memory.audit_anchor import InMemoryAuditAnchor
from hemostat.adapters.redis import RedisAuditAnchor
from hemostat.core.history.audit_chain import AnchorNotes, ChainPosition
from hemostat.ports import AuditAnchor

FIRST, SECOND = ChainPosition(1, b"\x01" * 32), ChainPosition(2, b"\x02" * 32)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def notary(request: pytest.FixtureRequest) -> AuditAnchor:
    if request.param == "memory":
        return InMemoryAuditAnchor()
    return RedisAuditAnchor(request.getfixturevalue("redis_client"))


def test_note_is_stored_by_chain_name(notary: AuditAnchor) -> None:
    notary.note_head("a", SECOND)
    notary.note_anchor("a", FIRST)
    assert notary.read_notes("a") == AnchorNotes(anchor=FIRST, head=SECOND)
    assert notary.read_notes("b") == AnchorNotes()


def test_older_note_does_not_replace_a_newer_one(notary: AuditAnchor) -> None:
    notary.note_head("a", SECOND)
    notary.note_head("a", FIRST)
    assert notary.read_notes("a") == AnchorNotes(head=SECOND)
