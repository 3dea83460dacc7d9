"""A row that cannot be read is set aside and reported; the other rows are read."""

import base64

import msgspec
import pytest

from hemostat.adapters.redis import (
    Client,
    RedisControls,
    RedisEvidence,
    RedisLedger,
    RedisOutbox,
    RedisPrecedents,
)
from hemostat.adapters.redis.audit_anchor import RedisAuditAnchor
from hemostat.adapters.redis.precedents import RedisLlmBudget
from hemostat.adapters.redis.repair import clear_aside, find_in_place, list_aside, remove_in_place
from hemostat.adapters.redis.rows import (
    COUNT_SECONDS,
    MAX_ROW_BYTES,
    MAX_ROWS,
    QUARANTINE_KEY,
    Quarantine,
    Row,
)
from hemostat.core.diagnosis.case import Precedent
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.audit_chain import ChainPosition
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer, Pause
from hemostat.core.ledger.rows import Attempt, RaisedLimit
from hemostat.core.llm.cost_budget import LlmUsage
from hemostat.core.notify.notification import Notification
from hemostat.core.settings.alert import Topic
from hemostat.errors import BusError
from hemostat.events import Action, Container, Kind, Outcome, Severity
from tests.support.guarded_redis import guarded
from tests.support.samples import NOW

pytestmark = pytest.mark.redis

HOSTILE = (
    b"",
    b"\xff\xfe",
    b"hostile",
    b"null",
    b"[]",
    b'{"lease":null}',
    b'{"key":"k","container":"web","action":"restart","time":1,"by":"r","lease":null}',
    b'{"key":"k","container":"web","action":"restart","time":1e999,"by":"r","lease":1}',
    b'{"key":"k","container":"web","action":"unheard-of","time":1,"by":"r","lease":1}',
    b"[" * 100_000,
    b"9" * 100_000,
)


def attempt(key: str = "i1:1:0", **changes) -> Attempt:
    plain = Attempt(
        key=key, container="web", action=Action.RESTART, time=NOW, by="responder@a", lease=NOW + 60
    )
    return msgspec.structs.replace(plain, **changes)


def spoil(client: Client, *keys: str) -> None:
    for key in keys:
        for number, value in enumerate(HOSTILE):
            client.raw.hset(key, f"x{number}", value)


def test_ledger_quarantines_unreadable_rows(redis_client):
    ledger = RedisLedger(redis_client)
    assert ledger.reserve("h", attempt(), 0)
    ledger.finish("h", attempt(outcome=Outcome.HEALED, finished=NOW + 1))
    spoil(redis_client, "hemostat:ledger:h:running", "hemostat:ledger:h:of:web", "hemostat:ledger:h:scaled")
    redis_client.raw.lpush("hemostat:ledger:h:ended", *HOSTILE)
    book = ledger.read("h", "web")
    assert [each.key for each in book.attempts] == [each.key for each in book.ended_attempts] == ["i1:1:0"]
    assert (book.running_attempts, ledger.list_raised_limits("h")) == ((), [])
    assert len(ledger.list_attempts("h", "web")) == len(ledger.read_host("h").ended_attempts) == 1
    assert ledger.reserve("h", attempt("i2:1:0", time=NOW + 5), book.version)
    notice = ledger.check("h")
    forgotten = 2  # older than attempts are kept
    assert f"{4 * len(HOSTILE) - forgotten} rows in Redis cannot be read" in notice
    assert redis_client.raw.hlen("hemostat:ledger:h:running") == 1
    assert [each.key for each in ledger.read("h", "web").attempts] == ["i1:1:0", "i2:1:0"]
    aside = list_aside(redis_client)
    assert {base64.b64decode(each.raw) for each in aside.values()} == {raw[:MAX_ROW_BYTES] for raw in HOSTILE}
    clear_aside(redis_client, list(aside))
    assert RedisLedger(redis_client).check("h") == ""
    assert find_in_place(redis_client) == []


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "9" * 400, "0x10", " 5"])
def test_invalid_version_of_the_ledger_is_repaired(redis_client, value):
    ledger = RedisLedger(redis_client)
    assert ledger.reserve("h", attempt(), 0)
    ledger.check("h")
    redis_client.raw.set("hemostat:ledger:h:version", value)
    assert ledger.check("h") == ""
    book = ledger.read("h", "web")
    assert ledger.reserve("h", attempt("i2:1:0", time=NOW + 1), book.version)
    redis_client.raw.set("hemostat:ledger:h:version", value)
    fresh = RedisLedger(redis_client)
    assert fresh.reserve("h", attempt("i3:1:0", time=NOW + 2), fresh.read("h", "web").version)
    assert not fresh.reserve("h", attempt("i4:1:0", time=NOW + 3), 0)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", [ALL_CONTAINERS, "web"])
def test_unreadable_pause_applies_until_it_is_resumed(redis_client, name, value):
    desk, ledger = RedisControls(redis_client), RedisLedger(redis_client)
    desk.pause("db", Pause(by="ann", at=NOW, until=NOW + 60))
    redis_client.raw.hset("hemostat:control:pauses", name, value)
    for controls in (desk.read_controls(), ledger.read("h", "web").controls, ledger.read_host("h").controls):
        assert "cannot be read" in controls.find_pause("web", NOW).by
        assert controls.pauses["db"].by == "ann"
        assert (controls.find_pause("cache", NOW) is not None) is (name == ALL_CONTAINERS)
    ledger.check("h")
    assert desk.read_controls().find_pause("web", NOW) is not None
    assert [row.field for row in find_in_place(redis_client)] == [name.encode()]
    assert desk.resume(name)
    assert desk.read_controls().find_pause("web", NOW) is None


def test_pause_with_an_unreadable_name_applies_to_all(redis_client):
    redis_client.raw.hset("hemostat:control:pauses", b"\xff", msgspec.json.encode(Pause(by="ann", at=NOW)))
    assert RedisControls(redis_client).read_controls().find_pause("web", NOW) is not None


@pytest.mark.parametrize("value", ["", "nan", "inf", "-inf", "soon", b"\xff"])
def test_unreadable_reset_has_no_effect(redis_client, value):
    desk = RedisControls(redis_client)
    desk.reset_breaker("db", NOW)
    redis_client.raw.hset("hemostat:control:resets", "web", value)
    controls = desk.read_controls()
    assert (controls.get_reset_time("web"), controls.get_reset_time("db")) == (0.0, NOW)
    assert [row.field for row in find_in_place(redis_client)] == [b"web"]


def approval(key: str = "i1:1:0") -> Approval:
    return Approval(
        id=f"a-{key}", key=key, incident="i1", host="h", container="web", action=Action.RESTART, asked=NOW,
        until=NOW + 60, request="e1",
    )  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_unreadable_approval_permits_nothing(redis_client, value):
    desk, ledger = RedisControls(redis_client), RedisLedger(redis_client)
    desk.request_approval(approval("i2:1:0"))
    redis_client.raw.hset("hemostat:approvals", "i1:1:0", value)
    assert ledger.read("h", "web", "i1", "i1:1:0").approval is None
    assert [each.key for each in desk.list_approvals()] == ["i2:1:0"]
    answered = desk.answer_approval("a-i2:1:0", ApprovalAnswer.APPROVED, by="ann", reason="", now=NOW + 1)
    assert answered.answer is ApprovalAnswer.APPROVED
    assert desk.request_approval(approval()) == approval()
    assert len(list_aside(redis_client)) == 1


def test_unreadable_notifications_leave_the_outbox(redis_client):
    outbox = RedisOutbox(redis_client)
    word = Notification(
        incident="i1", topic=Topic.GONE, time=NOW, host="h", container="web", severity=Severity.CRITICAL
    )
    outbox.put("slack", [(word, NOW)])
    for number, value in enumerate(HOSTILE):
        redis_client.raw.hset("hemostat:outbox:slack:news", f"x{number}", value)
        redis_client.raw.zadd("hemostat:outbox:slack", {f"x{number}": NOW - 1})
    redis_client.raw.zadd("hemostat:outbox:slack", {"nothing": NOW - 2})
    told = outbox.take("slack", NOW + 1, lease=30, count=100)
    assert [each for each, _ in told] == [word]
    assert outbox.count_waiting("slack") == 1


def test_unreadable_rows_of_the_stores_are_skipped(redis_client):
    dossiers, casebook, purse = (
        RedisEvidence(redis_client),
        RedisPrecedents(redis_client),
        RedisLlmBudget(redis_client),
    )
    kept = EvidenceSnapshot(
        time=NOW, container=Container(id="c", name="web"), kind=Kind.EXITED, action=Action.RESTART
    )
    past = Precedent(
        time=NOW, host="h", container="web", action=Action.RESTART, outcome=Outcome.HEALED, cause="crash"
    )
    spent = LlmUsage(id="s1", time=NOW, cost=0.1)
    dossiers.put("i1", kept)
    casebook.add_precedent("sig", "k1", past)
    assert purse.take(spent, 0)
    spoil(redis_client, "hemostat:evidence:i1", "hemostat:past:sig", "hemostat:advisor:spent")
    assert dossiers.get("i1") == [kept]
    assert dossiers.put("i1", msgspec.structs.replace(kept, rung=1))
    assert casebook.list_precedents("sig") == [past]
    version, spendings = purse.read()
    assert spendings == [spent]
    assert purse.take(msgspec.structs.replace(spent, id="s2"), version)
    assert len(find_in_place(redis_client)) >= 2 * len(HOSTILE)


def test_unreadable_audit_anchor_can_be_replaced(redis_client):
    notary = RedisAuditAnchor(redis_client)
    redis_client.raw.hset("hemostat:audit:t", mapping={"head": "many", "head:hash": "zz"})
    assert notary.read_notes("t").head is None
    notary.note_head("t", ChainPosition(5, b"\1" * 32))
    assert notary.read_notes("t").head == ChainPosition(5, b"\1" * 32)


def test_quarantine_is_bounded_and_holds_each_row_once(redis_client):
    quarantine = Quarantine(redis_client, lambda: NOW)
    for number in range(MAX_ROWS + 5):
        raw = b"x" * (2 * MAX_ROW_BYTES) + str(number).encode()
        redis_client.raw.hset("hemostat:approvals", "k", raw)
        assert quarantine.move(Row("hash", "hemostat:approvals", b"k", raw, "no JSON"))
    assert redis_client.raw.hlen(QUARANTINE_KEY) == MAX_ROWS
    redis_client.raw.hset("hemostat:approvals", "k", "another")
    assert not quarantine.move(Row("hash", "hemostat:approvals", b"k", b"x", "no JSON"))
    assert redis_client.raw.hget("hemostat:approvals", "k") == b"another"


def test_keys_of_a_wrong_type_are_listed_and_removed(redis_client):
    redis_client.raw.set("hemostat:ledger:h:running", "a string")
    redis_client.raw.lpush("hemostat:approvals", "a list")
    redis_client.raw.set("hemostat:ledger:h:version", "many")
    with pytest.raises(BusError, match="not of HemoStat's type") as raised:
        RedisLedger(redis_client).read("h", "web")
    assert raised.value.transient
    rows = find_in_place(redis_client)
    assert len(rows) == 3
    for row in rows:
        remove_in_place(redis_client, row)
    assert find_in_place(redis_client) == []
    assert RedisLedger(redis_client).read("h", "web").running_attempts == ()


def test_row_written_meanwhile_is_not_removed(redis_client):
    redis_client.raw.hset("hemostat:approvals", "k", "nonsense")
    (row,) = find_in_place(redis_client)
    redis_client.raw.hset("hemostat:approvals", "k", msgspec.json.encode(approval("k")))
    remove_in_place(redis_client, row)
    assert [each.key for each in RedisControls(redis_client).list_approvals()] == ["k"]


def test_readable_raised_limits_are_restored(redis_client):
    ledger = RedisLedger(redis_client)
    raised = RaisedLimit(container="c1", resource="memory", before=1.0, after=2.0, time=NOW)
    ledger.save_raised_limit("h", raised)
    spoil(redis_client, "hemostat:ledger:h:scaled")
    (kept,) = ledger.list_raised_limits("h")
    assert ledger.remove_raised_limit("h", kept)


@pytest.fixture(scope="module", params=[7, 6])
def users(request):
    with guarded(request.param) as server:
        yield server


def test_acl_users_may_quarantine_list_and_clear_rows(users):
    administrator, responder = users.client("admin"), users.client("hemostat-responder")
    administrator.raw.hset("hemostat:ledger:h:running", "x", "hostile")
    administrator.raw.lpush("hemostat:ledger:h:ended", "hostile")
    administrator.raw.hset("hemostat:approvals", "x", "hostile")
    administrator.raw.set("hemostat:ledger:h:version", "many")
    ledger = RedisLedger(responder)
    ledger.read("h", "web", "i", "x")
    assert "3 rows in Redis cannot be read" in ledger.check("h")
    administrator.raw.hset("hemostat:outbox:slack:news", "x", "hostile")
    administrator.raw.zadd("hemostat:outbox:slack", {"x": NOW})
    assert RedisOutbox(users.client("hemostat-alert")).take("slack", NOW, lease=30, count=9) == []
    assert len(list_aside(users.client("hemostat-viewer"))) == 4
    operator = users.client("hemostat-operator")
    with pytest.raises(BusError, match="does not allow"):
        find_in_place(operator)
    clear_aside(operator, list(list_aside(operator)))
    assert list_aside(operator) == {}
    assert find_in_place(administrator) == []


def test_rows_set_aside_are_counted_once_in_a_while(redis_client, monkeypatch):
    """A sweep at every heartbeat must not cost a round trip."""
    times, counts = [NOW], []
    quarantine = Quarantine(redis_client, lambda: times[0])
    monkeypatch.setattr(quarantine, "_count_stored", lambda: counts.append(times[0]) or 0)
    for seconds in (0.0, 1.0, COUNT_SECONDS - 1, COUNT_SECONDS):
        times[0] = NOW + seconds
        quarantine.sweep()
    assert counts == [NOW, NOW + COUNT_SECONDS]
