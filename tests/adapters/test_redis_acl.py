"""Redis access control: each role can do its work with its user, and is refused everything else."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import redis

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import (
    RedisBus,
    RedisControls,
    RedisEvidence,
    RedisLedger,
    RedisLlmBudget,
    RedisOutbox,
    RedisPrecedents,
    RedisRecentEvents,
    connect,
)
from hemostat.adapters.redis.acl import (
    ANY_HOST,
    EVERY_ROLE_USER,
    HOST_ROLES,
    METRICS_USER,
    OPERATOR_USER,
    VIEWER_USER,
    format_acl,
    get_user_name,
    is_host_name,
    list_grants,
)
from hemostat.adapters.redis.audit_anchor import AUDIT_PREFIX
from hemostat.adapters.system_clock import SystemClock
from hemostat.cli.doctor.findings import Level
from hemostat.cli.doctor.machine import Machine
from hemostat.cli.doctor.redis_checks import check_redis_commands
from hemostat.cli.status.status import read_status
from hemostat.config import Loaded, Redis, Settings
from hemostat.core.diagnosis.case import Precedent
from hemostat.core.evidence.build import build_snapshot
from hemostat.core.history.status import SystemStatus
from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit, Resource
from hemostat.core.llm.cost_budget import LlmUsage
from hemostat.core.metrics.definitions import ALERTS, MEASURES, NOTIFICATIONS, WAITING_NOTIFICATIONS
from hemostat.core.notify.self_monitoring import LOST_DATA_PREFIX
from hemostat.core.settings.alert import Topic
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import BusError, BusUnreachableError
from hemostat.events import DURABLE, TYPES, Action, FalseAlarm, Figure, Outcome
from hemostat.exporter import Exporter
from hemostat.operator import OperatorCommands
from hemostat.ports import Bus, Interrupted, Ledger
from hemostat.streams import ROLES, ROLES_BY_NAME, Role
from tests.support.backends import InMemoryEngineBackends
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import eventually, spec
from tests.support.guarded_redis import ADMIN, Guarded, guarded
from tests.support.notifications import make_notification
from tests.support.samples import (
    DIAGNOSIS,
    NOW,
    alert,
    complete,
    decided,
    event,
    heartbeat,
    needed,
    order,
    stats,
)

SAID = {
    "health_alert": event(alert()),
    "remediation_needed": event(needed()),
    "false_alarm": event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS)),
    "remediation_complete": event(complete()),
    "order": event(order()),
    "decision": event(decided()),
}
ATTEMPT = Attempt(key="i:1:0", container="web", action=Action.RESTART, time=NOW, by="responder@h", lease=NOW)
MONITOR, ANALYZER, RESPONDER, ALERT = (get_user_name(role) for role in ROLES)


@pytest.fixture(scope="module", params=[7, 6])
def every_server(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Guarded]:
    with guarded(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[Guarded]:
    with guarded(7, hosts=["h"]) as server:
        yield server


@pytest.fixture(autouse=True)
def emptied(request: pytest.FixtureRequest) -> None:
    for name in ("server", "every_server"):
        if name in request.fixturenames:
            raw = request.getfixturevalue(name).client(ADMIN).raw
            raw.flushall()
            raw.script_flush()
            raw.acl_log_reset()


def bus(server: Guarded, name: str) -> RedisBus:
    return RedisBus(server.client(name))


ASKED = Approval(
    key="i:1:0",
    id="a1",
    incident="i",
    host="h",
    container="web",
    action=Action.RESTART,
    cause="crash",
    asked=NOW,
    until=NOW + 60,
)
PAST = Precedent(
    time=NOW, host="h", container="web", action=Action.RESTART, outcome=Outcome.HEALED, cause="hung"
)
SPENT = LlmUsage(id="1", time=NOW, cost=0.01)


@pytest.mark.redis
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_role_can_use_the_bus(every_server: Guarded, role: Role) -> None:
    """Everything that the runner and the watcher ask of a bus, on an empty server too."""
    own, group = bus(every_server, get_user_name(role)), role.make_group_name("h")
    own.ping()
    own.publish([SAID[name] for name in role.writes])
    shown = [heartbeat(role.name), *([stats()] if "container_stats" in role.shows else [])]
    own.publish_live([event(each) for each in shown], ttl=10)
    if not role.reads:
        return
    assert own.read_unfinished(group, "a", role.reads) == []
    bus(every_server, ADMIN).publish([SAID[name] for name in role.reads for _ in range(3)])
    first, second, *rest = own.read(group, "a", role.reads, count=50, timeout=0)
    assert own.count_lag(group, role.reads) == 2 + len(rest)
    assert len(own.read_unfinished(group, "a", role.reads)) == 2 + len(rest)
    own.extend_delivery(group, "a", [first])
    assert len(own.claim(group, "b", role.reads, idle=0)) == 2 + len(rest)
    own.ack_all(group, [(first, [SAID[name] for name in role.writes])])
    own.move_to_dead_letters(group, second, "poison", NOW, [SAID[name] for name in role.writes])
    if role.defers:
        assert own.requeue_due("", role.reads, NOW) == own.requeue_due(group, role.reads, NOW) == 0
        own.defer(group, rest[0], until=NOW)
        own.postpone(group, [(rest[0], NOW - 1)])
        assert own.requeue(group, own.read_due(group, role.reads, NOW, count=9).entries) == 1
        assert own.read(group, "a", role.reads, count=9, timeout=0)


@pytest.mark.redis
def test_each_role_can_use_its_stores(every_server: Guarded) -> None:
    """The monitor its memo, the analyzer its casebook and purse, the responder its ledger and its requests,
    the alert role its store and its outbox."""
    bus(every_server, MONITOR).publish([], state=("monitor:h", b"memo"))
    assert bus(every_server, MONITOR).load_state("monitor:h") == b"memo"
    casebook = RedisPrecedents(every_server.client(ANALYZER))
    casebook.add_precedent("s", "i:1:0", PAST)
    casebook.cache_advice("l", b"advice", 10.0)
    assert (casebook.list_precedents("s"), casebook.get_cached_advice("l")) == ([PAST], b"advice")
    purse = RedisLlmBudget(every_server.client(ANALYZER))
    assert purse.take(SPENT, purse.read()[0])
    purse.settle(SPENT)
    assert purse.read() == (1, [SPENT])
    ledger = RedisLedger(every_server.client(RESPONDER), lambda: NOW)
    assert ledger.reserve("h", ATTEMPT, read(ledger).version)
    ledger.finish("h", ATTEMPT)
    raised = RaisedLimit(container="c", resource=Resource.CPU, before=1.0, after=1.5, time=NOW)
    ledger.save_raised_limit("h", raised)
    assert ledger.remove_raised_limit("h", raised)
    assert read(ledger).attempts == (ATTEMPT,)
    every_server.client(ADMIN).raw.delete("hemostat:ledger:h:version", "hemostat:ledger:h:of:web")
    assert ledger.check("h").startswith(LOST_DATA_PREFIX)
    assert read(ledger).attempts == (ATTEMPT,)
    store = RedisRecentEvents(every_server.client(ALERT))
    assert store.append([SAID["health_alert"]])
    assert store.append([SAID["health_alert"]]) == []
    outbox = RedisOutbox(every_server.client(ALERT))
    assert outbox.put("ops", [(make_notification(Topic.HEALED), NOW)]) == 0
    _tell(outbox)
    assert RedisControls(every_server.client(RESPONDER)).request_approval(ASKED) == ASKED
    kept = build_snapshot(needed(), None, now=NOW)
    assert RedisEvidence(every_server.client(RESPONDER)).put("i", kept)
    assert RedisEvidence(every_server.client(VIEWER_USER)).get("i") == [kept]


@pytest.mark.redis
def test_viewer_can_read_everything(every_server: Guarded) -> None:
    everything, admin = bus(every_server, VIEWER_USER), bus(every_server, ADMIN)
    admin.publish(list(SAID.values()))
    admin.publish_live([event(stats()), event(heartbeat())], ttl=10)
    assert [len(everything.read_recent(name, 9)) for name in DURABLE] == [1] * len(DURABLE)
    assert len(seen(every_server, VIEWER_USER).containers) == 1
    assert len(everything.read_metrics("h", "web")) == 1
    assert RedisControls(every_server.client(VIEWER_USER)).list_approvals() == []
    with closing(everything.subscribe(tuple(TYPES), timeout=0.05)) as heard:
        assert next(heard) is None
        admin.publish([SAID["false_alarm"]])
        assert next(filter(None, heard)) == SAID["false_alarm"]


@pytest.mark.redis
def test_metrics_user_can_read_all_metrics(every_server: Guarded) -> None:
    admin, client = bus(every_server, ADMIN), every_server.client(METRICS_USER)
    admin.publish(list(SAID.values()))
    told = Figure(NOTIFICATIONS.name, ("ops", "delivered"), 1)
    beats = [heartbeat("responder"), heartbeat("alert", figures=(told,))]
    admin.publish_live([event(stats()), *map(event, beats)], ttl=10)
    parts = (RedisBus(client), RedisLedger(client), RedisControls(client), RedisOutbox(client))
    for _ in range(2):
        numbers = Exporter(
            *parts, SystemClock(threading.Event()), ResponderSettings(), containers=9
        ).collect()
        assert set(numbers) == set(MEASURES)
        assert numbers[WAITING_NOTIFICATIONS] == {("ops",): 0}
        assert numbers[ALERTS] == {("exited", "critical", "h", "web"): 1}


@pytest.mark.redis
def test_responder_reads_decisions_of_the_operator(every_server: Guarded) -> None:
    person, responder = (RedisControls(every_server.client(name)) for name in (OPERATOR_USER, RESPONDER))
    person.pause("web", Pause(by="ann", at=NOW))
    person.reset_breaker("web", NOW)
    assert set(responder.read_controls().pauses) == set(responder.read_controls().resets) == {"web"}
    assert person.resume("web")
    asked = responder.request_approval(ASKED)
    told = person.answer_approval(asked.id, ApprovalAnswer.APPROVED, by="ann", reason="go", now=NOW)
    assert told is not None
    assert responder.list_approvals() == [told]
    responder.request_approval(msgspec.structs.replace(ASKED, id="a2", key="i1:2:0"))
    responder.withdraw_approval("i1:2:0", by="responder@a", reason="tried before", now=NOW)
    assert {each.id: each.is_withdrawn for each in responder.list_approvals()} == {"a1": False, "a2": True}
    assert seen(every_server, OPERATOR_USER) is not None


@pytest.mark.redis
def test_operator_can_publish_orders_and_decisions(every_server: Guarded) -> None:
    """Everything that people can do, by the operator's user, and its trail."""
    orders = people(every_server, OPERATOR_USER)
    RedisControls(every_server.client(RESPONDER)).request_approval(ASKED)
    orders.place_order("h", order())
    orders.pause("web", by="ann")
    orders.resume("web", by="ann")
    orders.reset_breaker("web", by="ann")
    orders.answer_approval("a1", ApprovalAnswer.APPROVED, by="ann")
    group = ROLES_BY_NAME["responder"].make_group_name("h")
    (taken,) = bus(every_server, RESPONDER).read(group, "a", ["order"], count=9, timeout=0)
    assert taken.event.data == order()
    kept = bus(every_server, ALERT).read("alert", "a", ["decision"], count=9, timeout=0)
    assert [each.event.data.what for each in kept] == ["paused", "resumed", "reset", "approved"]


@pytest.mark.redis
def test_responder_accepts_incidents_only_from_the_monitor(every_server: Guarded) -> None:
    """Whatever the analyzer asks for."""
    ledger = RedisLedger(every_server.client(RESPONDER))
    bus(every_server, ANALYZER).publish([SAID["remediation_needed"]])
    assert read(ledger).alerted_container == ""
    bus(every_server, MONITOR).publish([SAID["health_alert"]])
    assert read(ledger).alerted_container == "web"


def people(server: Guarded, name: str) -> OperatorCommands:
    client = server.client(name)
    return OperatorCommands(
        RedisBus(client),
        RedisControls(client),
        RedisLedger(client),
        FakeClock(NOW),
        ResponderSettings(),
        host="h",
    )


def seen(server: Guarded, name: str) -> SystemStatus:
    return read_status(bus(server, name), NOW, people(server, name).read_overview)


def read(ledger: Ledger) -> LedgerSnapshot:
    return ledger.read("h", "web", "i1", "i1:1:0")


def _tell(outbox: RedisOutbox) -> None:
    healed = make_notification(Topic.HEALED)
    outbox.postpone("ops", [healed], NOW)
    outbox.take("ops", NOW, lease=0.0, count=1)
    outbox.settle("ops", [healed], is_sent=True)


def _reserve(ledger: Ledger) -> object:
    return ledger.reserve("h", ATTEMPT, 0)


def _hear(heard: Bus) -> object:
    with closing(heard.subscribe(["health_alert"], timeout=0.01)) as messages:
        return next(messages)


DEEDS: dict[str, tuple[Callable[[Guarded, str], object], set[str]]] = {
    "write health_alert": (lambda s, u: bus(s, u).publish([SAID["health_alert"]]), {MONITOR}),
    "write remediation_needed": (
        lambda s, u: bus(s, u).publish([SAID["remediation_needed"]]),
        {ANALYZER},
    ),
    "write false_alarm": (lambda s, u: bus(s, u).publish([SAID["false_alarm"]]), {ANALYZER}),
    "write remediation_complete": (
        lambda s, u: bus(s, u).publish([SAID["remediation_complete"]]),
        {RESPONDER},
    ),
    "place an order": (lambda s, u: people(s, u).place_order("h", order()), {OPERATOR_USER}),
    "pass an order off as a person's": (
        lambda s, u: s.client(u).raw.set("hemostat:seal:h:o1", "x"),
        {OPERATOR_USER},
    ),
    "write decision": (lambda s, u: bus(s, u).publish([SAID["decision"]]), {OPERATOR_USER}),
    "take orders": (
        lambda s, u: bus(s, u).read("g", "c", ["order"], count=1, timeout=0),
        {RESPONDER, ALERT},
    ),
    "see where a host stands": (
        lambda s, u: people(s, u).read_overview("h"),
        {RESPONDER, METRICS_USER, VIEWER_USER, OPERATOR_USER},
    ),
    "show stats": (lambda s, u: bus(s, u).publish_live([event(stats())], 5), {MONITOR}),
    "show the analyzer's heartbeat": (
        lambda s, u: bus(s, u).publish_live([event(heartbeat("analyzer"))], 5),
        {ANALYZER},
    ),
    "make an incident known": (
        lambda s, u: s.client(u).raw.set("hemostat:incident:h:i1", "web"),
        {MONITOR},
    ),
    "take requests": (
        lambda s, u: bus(s, u).read("g", "c", ["remediation_needed"], count=1, timeout=0),
        {RESPONDER, ALERT},
    ),
    "take outcomes": (
        lambda s, u: bus(s, u).read("g", "c", ["remediation_complete"], count=1, timeout=0),
        {ANALYZER, ALERT},
    ),
    "read history": (
        lambda s, u: bus(s, u).read_recent("health_alert", 1),
        {ANALYZER, VIEWER_USER, OPERATOR_USER},
    ),
    "see how a container has been": (
        lambda s, u: bus(s, u).read_metrics("h", "web"),
        {ANALYZER, RESPONDER, VIEWER_USER, OPERATOR_USER},
    ),
    "see what came of it before": (
        lambda s, u: RedisPrecedents(s.client(u)).list_precedents("s"),
        {ANALYZER, VIEWER_USER, OPERATOR_USER},
    ),
    "listen": (lambda s, u: _hear(bus(s, u)), {VIEWER_USER, OPERATOR_USER}),
    "read the ledger": (lambda s, u: read(RedisLedger(s.client(u))), {RESPONDER}),
    "reserve an action": (lambda s, u: _reserve(RedisLedger(s.client(u))), {RESPONDER}),
    "store an event": (lambda s, u: RedisRecentEvents(s.client(u)).append([SAID["health_alert"]]), {ALERT}),
    "leave word for people": (
        lambda s, u: RedisOutbox(s.client(u)).put("ops", [(make_notification(Topic.HEALED), NOW)]),
        {ALERT},
    ),
    "tell people": (lambda s, u: _tell(RedisOutbox(s.client(u))), {ALERT}),
    "see who lives": (
        lambda s, u: bus(s, u).read_last_values("heartbeat"),
        {MONITOR, ALERT, VIEWER_USER, OPERATOR_USER, METRICS_USER},
    ),
    "note a stop": (
        lambda s, u: RedisLedger(s.client(u)).note_stop("h", "web", ManualStop(NOW, NOW + 9)),
        {MONITOR},
    ),
    "read the attempts on a container": (
        lambda s, u: RedisLedger(s.client(u)).list_attempts("h", "web"),
        {MONITOR, RESPONDER},
    ),
    "read the monitor's memo": (lambda s, u: bus(s, u).load_state("monitor:h"), {MONITOR}),
    "count what was said": (
        lambda s, u: bus(s, u).read_after("false_alarm", "0-0", 1),
        {METRICS_USER, ALERT, VIEWER_USER, OPERATOR_USER},
    ),
    "see how far the store is": (
        lambda s, u: bus(s, u).count_lag("store", ["false_alarm"]),
        {ALERT, METRICS_USER, VIEWER_USER, OPERATOR_USER},
    ),
    "read the tally": (lambda s, u: bus(s, u).load_state("metrics"), {METRICS_USER}),
    "pause": (lambda s, u: RedisControls(s.client(u)).pause("*", Pause(by="x", at=NOW)), {OPERATOR_USER}),
    "reset a breaker": (lambda s, u: RedisControls(s.client(u)).reset_breaker("web", NOW), {OPERATOR_USER}),
    "see pauses": (
        lambda s, u: RedisControls(s.client(u)).read_controls(),
        {RESPONDER, METRICS_USER, VIEWER_USER, OPERATOR_USER},
    ),
    "run a transaction": (
        lambda s, u: s.client(u).transact([("PING",), ("PING",)]),
        {MONITOR, ANALYZER, RESPONDER, ALERT, OPERATOR_USER},
    ),
    "read a stranger's key": (lambda s, u: s.client(u).raw.get("other"), set()),
    "delete a stream": (lambda s, u: s.client(u).raw.delete("hemostat:health_alert"), set()),
    "empty Redis": (lambda s, u: s.client(u).raw.flushall(), set()),
    "list keys": (lambda s, u: s.client(u).raw.keys("*"), set()),
    "change its own rights": (lambda s, u: s.client(u).raw.acl_setuser(u, enabled=True, keys=["*"]), set()),
    "configure Redis": (lambda s, u: s.client(u).raw.config_set("dir", "/"), set()),
    "run a script of its own on a stranger's key": (
        lambda s, u: s.client(u).raw.register_script("return redis.call('SET', 'other', 1)")(),
        set(),
    ),
}


@pytest.mark.redis
@pytest.mark.parametrize("name", list(list_grants()))
@pytest.mark.parametrize("deed", list(DEEDS))
def test_each_user_has_exactly_its_own_rights(server: Guarded, deed: str, name: str) -> None:
    """And what is refused leaves no trace, but on the stream on which the responder puts back what it has
    deferred. The user of all roles may do what any of them may."""
    do, allowed = DEEDS[deed]
    if not allowed.isdisjoint((MONITOR, ANALYZER, RESPONDER, ALERT, METRICS_USER)):
        allowed = allowed | {EVERY_ROLE_USER}
    if name in allowed:
        do(server, name)
        return
    with (
        pytest.raises(BusError, match=rf"does not allow this to user {name}.*hemostat redis-acl"),
        server.client(name).call(),
    ):
        do(server, name)
    put_back = {b"hemostat:remediation_needed", b"hemostat:order"}
    put_back = put_back if name in {RESPONDER, EVERY_ROLE_USER} else set()
    assert set(server.client(ADMIN).raw.keys()) <= put_back


@pytest.mark.redis
def test_login_fails_without_a_user_or_with_a_wrong_password(server: Guarded) -> None:
    for name, password in ((MONITOR, "wrong"), ("", None)):
        with closing(connect(server.url, username=name, password=password)) as client:
            with pytest.raises(
                BusUnreachableError, match=f"password of user {name}" if name else "requires a password"
            ) as caught:
                RedisBus(client).ping()
            assert not caught.value.transient


@contextmanager
def roles_at_work(server: Guarded, directory: Path, host: str = ANY_HOST) -> Iterator[InMemoryEngine]:
    """An engine that all roles look after, each logged in as its own user, by its password's file."""
    stop = threading.Event()
    engine = InMemoryEngine(SystemClock(stop))

    def work(role: Role) -> None:
        name = get_user_name(role, host)
        file = directory / name
        file.write_text(name[::-1])
        login = Redis(url=server.url, username=name, password_file=str(file))
        settings = Settings(host="h", state_dir=str(directory / "state"), redis=login)
        with suppress(Interrupted):
            app.run_role(
                role.name, settings, instance="i", stop=stop, parts=InMemoryEngineBackends(settings, engine)
            )

    threads = [threading.Thread(target=work, args=(role,)) for role in ROLES]
    for thread in threads:
        thread.start()
    try:
        yield engine
    finally:
        stop.set()
        engine.close()
        for thread in threads:
            thread.join()


def heal(server: Guarded, engine: InMemoryEngine) -> None:
    seen = bus(server, VIEWER_USER)
    container = engine.run(spec())
    eventually(
        lambda: (
            len(seen.read_last_values("heartbeat")) == len(ROLES) and seen.read_last_values("container_stats")
        )
    )
    engine.crash(container, 7)
    eventually(lambda: seen.read_recent("remediation_complete", 1))
    (outcome,) = seen.read_recent("remediation_complete", 1)
    assert outcome.data.outcome is Outcome.HEALED
    redis = server.client(ADMIN).raw
    eventually(lambda: redis.exists(f"hemostat:event:{outcome.id}"))


@pytest.mark.redis
@pytest.mark.parametrize("host", [ANY_HOST, "h"])
def test_roles_heal_a_container_with_their_own_users(server: Guarded, tmp_path: Path, host: str) -> None:
    """Redis refuses no command of the roles from the crash to the stored outcome."""
    with roles_at_work(server, tmp_path, host) as engine:
        heal(server, engine)
    assert server.client(ADMIN).raw.acl_log() == []


@pytest.fixture
def former(redis_url: str) -> Iterator[Guarded]:
    with guarded(0) as opened:
        yield opened


@pytest.mark.redis
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (OPERATOR_USER, "not allowed for user hemostat-operator: watch"),
        (RESPONDER, "not allowed for user hemostat-responder"),
        (METRICS_USER, "scripts are allowed, but not needed"),
        (METRICS_USER, "transactions are allowed, but not needed"),
    ],
)
def test_rights_of_an_older_version_are_reported(former: Guarded, name: str, words: str) -> None:
    """With what no longer works, where something does not."""
    found = check_redis_commands(machine(former, name))
    assert words in found.message
    assert (found.level is Level.WARNING) == (name == METRICS_USER)
    assert "hemostat redis-acl" in found.hint


@pytest.mark.redis
@pytest.mark.parametrize("name", list(list_grants(["h"])))
def test_rights_of_this_version_have_no_findings(server: Guarded, name: str) -> None:
    assert check_redis_commands(machine(server, name)).level is Level.OK


@pytest.mark.redis
def test_missing_right_on_a_key_is_reported(server: Guarded) -> None:
    """Though the command is allowed on other keys."""
    raw = server.client(ADMIN).raw
    before = raw.execute_command("ACL", "LIST")
    lacking = format_acl({}).replace(f"%W~{AUDIT_PREFIX}*", "%W~hemostat:other").splitlines()
    line = next(each for each in lacking if OPERATOR_USER in each).split()
    try:
        raw.execute_command(
            "ACL", "SETUSER", OPERATOR_USER, "reset", "on", f">{OPERATOR_USER[::-1]}", *_rules(line)
        )
        server.client(OPERATOR_USER).raw.connection_pool.disconnect()
        found = check_redis_commands(machine(server, OPERATOR_USER))
        assert (found.level, "hset on hemostat:audit:doctor" in found.message) == (Level.FAILURE, True)
    finally:
        own = next(each.decode().split() for each in before if OPERATOR_USER.encode() in each)
        raw.execute_command("ACL", "SETUSER", OPERATOR_USER, "reset", *_rules(own, 2))


def _rules(words: list[str], first: int = 4) -> list[str]:
    """Selectors are one argument each."""
    text = " ".join(words[first:])
    return re.findall(r"\([^)]*\)|\S+", text)


def machine(server: Guarded, name: str) -> Machine:
    login = Redis(url=server.url, username=name, password=name[::-1])
    return Machine(lambda: Loaded(Settings(redis=login), {}, None), {})


@pytest.mark.parametrize("host", ["a b", "a:b", "a*", "~", "", "-x"])
def test_host_whose_name_is_a_pattern_has_no_users(host: str) -> None:
    assert not is_host_name(host)


@pytest.mark.redis
@pytest.mark.parametrize("role", HOST_ROLES)
def test_user_of_one_host_writes_no_key_of_another(server: Guarded, role: str) -> None:
    client = server.client(f"hemostat-{role}-h")
    keys = {
        "monitor": ("incident:{}:i", "stats:{}:web", "ledger:{}:stop:web", "memo:monitor:{}"),
        "responder": ("ledger:{}:version",),
    }[role]
    command = "SET" if role == "monitor" else "INCR"
    for key in keys:
        words = [command, f"hemostat:{key.format('h')}", *(["1"] if role == "monitor" else [])]
        client.raw.execute_command(*words)
        for other in ("other", "h2", "*"):
            words[1] = f"hemostat:{key.format(other)}"
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.raw.execute_command(*words)


def test_file_has_each_user_and_disables_the_default_user() -> None:
    default, *lines = format_acl({}).splitlines()
    assert default.startswith("user default off resetpass")
    assert [line.split()[1] for line in lines] == list(list_grants())
    assert all("-@all" in line and "+@" not in line and "allkeys" not in line for line in lines)


def test_user_without_a_hash_cannot_log_in() -> None:
    lines = dict(zip(list_grants(), format_acl({MONITOR: "ab" * 32}).splitlines()[1:], strict=True))
    assert f" #{'ab' * 32} " in lines[MONITOR]
    assert " resetpass " in lines[ANALYZER]


def test_acl_for_redis_6_has_no_newer_syntax() -> None:
    assert not {"%", "(", ")"} & set(format_acl({}, version=6))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_may_add_to_and_publish_its_streams(role: Role) -> None:
    """And only that: a stream added to the topology is in the file at once."""
    added = {
        key
        for grant in list_grants()[get_user_name(role)]
        if "xadd" in grant.commands
        for key in grant.writes
    }
    back = role.reads if ROLES_BY_NAME[role.name].defers else ()
    dead = {"hemostat:dead"} if role.reads else set()
    assert added == {f"hemostat:{name}" for name in (*role.writes, *back)} | dead
