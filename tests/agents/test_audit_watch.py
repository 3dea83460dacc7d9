"""What a store notes about its audit trail, with and without a key."""

import msgspec
import pytest

from hemostat.adapters.in_memory.audit_anchor import InMemoryAuditAnchor
from hemostat.adapters.sql_store import SqlStore
from hemostat.agents.store_writer import AuditWatch, observe_trail
from hemostat.agents.store_writer.audit_watch import ANNOUNCE_SECONDS, CHECK_SECONDS
from hemostat.core.history.audit_chain import AcceptedFindings, ChainPosition
from hemostat.core.history.audit_verdict import sign_acceptance
from tests.support.clock import FakeClock
from tests.support.samples import alert, event

KEYS = (b"k" * 32,)


class Scene:
    def __init__(self, path: object) -> None:
        self.clock = FakeClock()
        self.keys: tuple[bytes, ...] = ()
        self.store = SqlStore(f"sqlite:///{path}/store", self.clock.now, keys=lambda: self.keys)
        self.anchor = InMemoryAuditAnchor()
        self.lines: list[str] = []
        self.watch = self.make_watch()

    def make_watch(self) -> AuditWatch:
        return AuditWatch(
            self.store,
            self.anchor,
            self.clock,
            location="here",
            keys=lambda: self.keys,
            announce=self.lines.append,
        )

    def write(self, count: int = 1) -> None:
        self.watch.prepare()
        self.store.append([event(alert(), self.clock.advance(0.1)) for _ in range(count)])
        self.watch.note_head()

    @property
    def notes(self):
        return self.anchor.read_notes(self.store.read_ends().trail, "here")


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.store.close()


def test_rows_without_a_key_are_noted_without_a_signed_row(scene):
    scene.write(3)
    assert scene.notes.head == scene.store.read_ends().head
    assert scene.notes.trail == scene.store.read_ends().trail
    assert not scene.notes.signed
    assert scene.watch.objection == ""


def test_first_signed_row_is_noted_once(scene):
    scene.keys = KEYS
    scene.write(2)
    assert scene.notes.signed == 1
    scene.write(2)
    assert scene.notes.signed == 1
    assert scene.notes.head.number == 4


def test_unsigned_row_is_not_noted_as_signed(scene):
    scene.write(2)
    scene.keys = KEYS
    scene.watch.prepare()
    scene.watch.note_head()
    assert not scene.notes.signed
    assert "not signed" in scene.watch.objection


def test_accepted_unsigned_row_is_followed_by_signed_rows(scene):
    scene.write(2)
    scene.keys = KEYS
    scene.write()
    assert "not signed" in scene.watch.objection
    ends = scene.store.read_ends()
    accepted = sign_acceptance(AcceptedFindings(head=ends.head, by="ann"), ends.trail, KEYS)
    scene.anchor.accept_trail("here", ends, accepted, signed=0)
    scene.write()
    assert scene.notes.head.number == ends.head.number + 1
    assert scene.notes.signed == ends.head.number + 1
    assert scene.watch.objection == ""


def test_preparation_reads_nothing_once_rows_are_signed(scene, monkeypatch):
    reads = []
    read_ends = scene.store.read_ends
    monkeypatch.setattr(scene.store, "read_ends", lambda: reads.append(1) or read_ends())
    scene.watch.prepare()
    assert reads == [], "without a key no row is signed"
    scene.keys = KEYS
    scene.watch.prepare()
    assert len(reads) == 1
    scene.write()
    reads.clear()
    scene.watch.prepare()
    assert reads == []


def test_notes_lost_by_redis_are_written_again(scene):
    scene.keys = KEYS
    scene.write(2)
    before = scene.notes
    scene.anchor._notes.clear()
    scene.anchor._trails.clear()
    scene.write()
    after = scene.notes
    assert (after.signed, after.anchor, after.trail) == (before.signed, before.anchor, before.trail)
    assert after.head.number == 3
    assert scene.watch.objection == ""


def test_trail_of_another_store_is_an_objection_after_a_loss(scene, tmp_path):
    scene.write(2)
    scene.anchor._notes.clear()
    scene.anchor._trails.clear()
    (tmp_path / "other").mkdir()
    other = Scene(tmp_path / "other")
    other.write()
    scene.watch._event_store = other.store
    scene.watch.note_head()
    other.store.close()
    assert scene.watch.objection


def test_noted_head_that_is_not_in_the_trail_is_an_objection(scene):
    scene.write(2)
    observed = observe_trail(scene.store, scene.anchor, "here")
    assert observed.has_head
    head = ChainPosition(observed.ends.head.number, "0" * 64)
    trail = observed.ends.trail
    scene.anchor._notes[trail] = msgspec.structs.replace(scene.anchor._notes[trail], head=head)
    assert not observe_trail(scene.store, scene.anchor, "here").has_head
    scene.watch.note_head()
    assert scene.watch.objection
    assert scene.notes.head == head, "the head is not noted while there is an objection"


def test_head_is_announced_at_intervals_and_at_a_new_objection(scene):
    scene.write()
    scene.write()
    assert len(scene.lines) == 1
    scene.clock.advance(ANNOUNCE_SECONDS)
    scene.write()
    assert len(scene.lines) == 2
    assert "objection" not in scene.lines[-1]
    scene.keys = KEYS
    scene.watch.note_head()
    scene.watch.note_head()
    assert len(scene.lines) == 3
    assert "objection=" in scene.lines[-1]
    scene.clock.advance(-10.0)
    scene.watch.note_head()
    assert len(scene.lines) == 4


def test_trail_is_checked_at_intervals_while_no_row_is_written(scene, monkeypatch):
    checks = []
    monkeypatch.setattr(scene.watch, "note_head", lambda: checks.append(1))
    for seconds, count in ((0.0, 1), (CHECK_SECONDS - 1, 1), (1.0, 2), (-5.0, 3)):
        scene.clock.advance(seconds)
        scene.watch.note_head_if_due()
        assert len(checks) == count
