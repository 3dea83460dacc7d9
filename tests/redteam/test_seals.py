"""What the holder of one user's password can do: a real Redis with HemoStat's users, and all roles at
work."""

import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, RedisControls, RedisLedger, connect
from hemostat.adapters.redis.acl import (
    EVERY_ROLE_USER,
    METRICS_USER,
    OPERATOR_USER,
    VIEWER_USER,
    get_user_name,
    list_grants,
)
from hemostat.adapters.system_clock import SystemClock
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import BusError
from hemostat.events import (
    DURABLE,
    Action,
    Container,
    Event,
    HealthAlert,
    Kind,
    Order,
    Outcome,
    Phase,
    Reason,
    RemediationNeeded,
)
from hemostat.operator import OperatorCommands
from hemostat.streams import ROLES, ROLES_BY_NAME
from tests.redteam.scene import Scene
from tests.redteam.site import ANALYZER, HOST, MONITOR, OTHER, STRANGER, Site
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import eventually
from tests.support.guarded_redis import Guarded
from tests.support.samples import DIAGNOSIS, alert, event, stats

pytestmark = pytest.mark.redis


def request(alert: HealthAlert, incident: str, at: float, **more: object) -> Event:
    data = RemediationNeeded(alert=alert, action=Action.RESTART, diagnosis=DIAGNOSIS, **more)  # type: ignore[arg-type]
    return Event.make(data, time=at, host=HOST, source="analyzer@x", incident=incident)


def test_analyzer_alone_cannot_restart_a_healthy_container(site: Site) -> None:
    honest = site.crash_and_heal()
    assert isinstance(honest.data, RemediationNeeded)
    assert honest.incident is not None
    before, told, now = site.starts(), honest.data.alert, SystemClock(threading.Event()).now()
    wrong = [
        msgspec.structs.replace(told, kind=Kind.CPU_HIGH, since=now, occurrence=99),
        msgspec.structs.replace(told, since=now),
        msgspec.structs.replace(told, kind=Kind.MEMORY_LEAK),
        msgspec.structs.replace(told, container=site.engine.inspect("db").ref),
    ]
    asked = [request(each, honest.incident, now, rung=3) for each in wrong]
    replayed = request(told, honest.incident, now, rung=4)
    invented = request(told, "feedbeef", now)
    site.bus(ANALYZER).publish([*asked, replayed, invented])
    assert [site.answer(each).reason for each in (*asked, invented)] == [Reason.UNKNOWN_INCIDENT] * 5
    assert site.answer(replayed).reason is Reason.RECOVERED
    assert site.starts() == before


def test_monitor_cannot_redirect_an_order(site: Site, server: Guarded) -> None:
    """It shows the id of one container under the name of another; a person orders by name."""
    before = site.starts()
    shown = Container(id=site.db, name="web", image="busybox")
    site.bus(MONITOR).publish_live([event(stats(container=shown))], 60)
    client = server.client(OPERATOR_USER)
    clock = SystemClock(threading.Event())
    orders = OperatorCommands(
        RedisBus(client), RedisControls(client), RedisLedger(client), clock, ResponderSettings(), host=HOST
    )
    incident = orders.place_order(HOST, Order(container=shown, action=Action.RESTART, by="ann"))
    eventually(lambda: any(each.incident == incident for each in site.said("remediation_complete")))
    done = next(each.data for each in site.said("remediation_complete") if each.incident == incident)
    assert (done.outcome, done.reason) == (Outcome.REFUSED, Reason.UNKNOWN_INCIDENT)
    assert "web" in done.detail
    assert site.starts() == before


def test_monitor_of_another_host_cannot_cause_a_restart(site: Site, server: Guarded) -> None:
    """It may say what it wants on the stream that all monitors share; the notes are out of its reach."""
    before, now = site.starts(), SystemClock(threading.Event()).now()
    ref = site.engine.inspect("web").ref
    forged = Event.make(
        alert(kind=Kind.UNHEALTHY, container=ref, since=now),
        time=now,
        host=HOST,
        source="monitor@x",
        incident="f0",
    )
    with pytest.raises(BusError, match=f"does not allow this to user {STRANGER}"):
        site.bus(STRANGER).publish([forged])
    server.client(STRANGER).raw.xadd("hemostat:health_alert", {"event": msgspec.json.encode(forged)})
    eventually(lambda: any(each.incident == "f0" for each in site.said("remediation_complete")))
    answers = [each.data.reason for each in site.said("remediation_complete") if each.incident == "f0"]
    assert set(answers) == {Reason.UNKNOWN_INCIDENT}
    assert site.starts() == before


def test_monitor_of_another_host_shows_no_container_of_this_one(site: Site, server: Guarded) -> None:
    forged = event(stats(container=Container(id="x", name="web")), host=HOST)
    with pytest.raises(BusError, match="does not allow"):
        site.bus(STRANGER).publish_live([forged], 60)
    raw = server.client(STRANGER).raw
    raw.set(f"hemostat:stats:{OTHER}:web", msgspec.json.encode(forged))
    raw.zadd("hemostat:live:container_stats", {f"hemostat:stats:{OTHER}:web": FakeClock().now() * 2})
    seen = [each.data.container.id for each in site.bus(VIEWER_USER).read_last_values("container_stats")]
    assert "x" not in seen


def allowed(server: Guarded, *words: str) -> set[str]:
    """The users that may do this."""
    may = set()
    for name in list_grants((HOST, OTHER)):
        with suppress(Exception):
            server.client(name).raw.execute_command(*words)
            may.add(name)
    return may


def family(*names: str) -> set[str]:
    """With the users of each host, and those of all roles."""
    per_host = {f"{name}-{host}" for name in (*names, EVERY_ROLE_USER) for host in (HOST, OTHER)}
    return {*names, EVERY_ROLE_USER, *(per_host & set(list_grants((HOST, OTHER))))}


def test_viewer_metrics_and_operator_users_cannot_run_scripts(server: Guarded) -> None:
    """A script that does not end keeps Redis from everybody. The others need scripts: docs/SECURITY.md."""
    roles = family(*(get_user_name(each) for each in ROLES))
    assert allowed(server, "SCRIPT", "LOAD", "return 1") == roles
    assert not {METRICS_USER, VIEWER_USER, OPERATOR_USER} & roles


WRITERS = {
    "health_alert": family(get_user_name(ROLES_BY_NAME["monitor"])),
    "remediation_needed": family(ANALYZER, get_user_name(ROLES_BY_NAME["responder"])),
    "false_alarm": family(ANALYZER),
    "remediation_complete": family(get_user_name(ROLES_BY_NAME["responder"])),
    "order": {OPERATOR_USER, *family(get_user_name(ROLES_BY_NAME["responder"]))},
    "decision": {OPERATOR_USER},
}


@pytest.mark.parametrize("stream", DURABLE)
def test_only_writers_of_a_stream_can_empty_it(server: Guarded, stream: str) -> None:
    """XADD takes MAXLEN, and no right of Redis tells the two apart: docs/SECURITY.md."""
    assert allowed(server, "XADD", f"hemostat:{stream}", "MAXLEN", "0", "*", "event", "x") == WRITERS[stream]
    for words in (("XTRIM", "MAXLEN", "0"), ("XDEL", "1-1")):
        assert allowed(server, words[0], f"hemostat:{stream}", *words[1:]) == set()


@pytest.mark.docker
def test_replayed_request_does_not_restart_a_healed_container(scene: Scene) -> None:
    """On a real engine, as somebody who can write to the whole bus but was no monitor."""
    scene.make_victim()
    scene.start()
    scene.crash()
    scene.await_healed()
    about = scene.about("victim")

    def is_request(each: Event) -> bool:
        return isinstance(each.data, RemediationNeeded) and about(each)

    honest = scene.await_event(is_request)
    scene.await_event(
        lambda each: isinstance(each.data, HealthAlert) and each.data.phase is Phase.CLEARED and about(each)
    )
    restarts, now = scene.lab.restarts("victim"), honest.time + 1
    told = msgspec.structs.replace(honest.data.alert, kind=Kind.CPU_HIGH, since=now, occurrence=99)
    data = msgspec.structs.replace(honest.data, alert=told)
    forged = msgspec.structs.replace(honest, id="f0rged", time=now, data=data)
    later = msgspec.structs.replace(honest, id="r3played", data=msgspec.structs.replace(honest.data, rung=3))
    client = connect(EmbeddedRedis(Path(scene.running.env["HEMOSTAT_STATE_DIR"])).url)
    RedisBus(client).publish([forged, later])
    client.close()
    reasons = [
        scene.await_event(lambda each, asked=asked: each.cause == asked.id).data.reason
        for asked in (forged, later)
    ]
    assert reasons == [Reason.UNKNOWN_INCIDENT, Reason.RECOVERED]
    assert scene.lab.restarts("victim") == restarts
