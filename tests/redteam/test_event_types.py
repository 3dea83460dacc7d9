"""The holder of one user's password sends events of another type, or in another role's name."""

from contextlib import closing, suppress

import msgspec
import pytest

from hemostat import app
from hemostat.adapters.redis.acl import OPERATOR_USER, VIEWER_USER
from hemostat.config import Settings
from hemostat.core.history.audit_chain import AnchorNotes
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.errors import NothingStoredError
from hemostat.events import (
    DURABLE,
    TYPES,
    Decided,
    Event,
    FalseAlarm,
    Kind,
    Order,
    RemediationComplete,
    encode,
)
from tests.redteam.site import ALERT, ANALYZER, HOST, MONITOR, Site
from tests.redteam.test_seals import request
from tests.support.engine_fixtures import eventually
from tests.support.guarded_redis import ADMIN, Guarded
from tests.support.samples import DIAGNOSIS, alert, complete, decided, event, heartbeat, order

pytestmark = pytest.mark.redis


def add(server: Guarded, user: str, stream: str, *events: Event) -> None:
    for each in events:
        server.client(user).raw.xadd(f"hemostat:{stream}", {"event": encode(each)})


def dead_letters(server: Guarded) -> list[tuple[bytes, bytes]]:
    rows = server.client(ADMIN).raw.xrange("hemostat:dead")
    return [(fields[b"stream"], fields[b"error"]) for _, fields in rows]


def stored_types(site: Site) -> set[str]:
    settings = Settings(host=HOST, state_dir=str(site.state_directory))
    with suppress(NothingStoredError), app.open_event_store(settings) as store:
        return {row.type for row in store.find(EventQuery())}
    return set()


def test_roles_cannot_record_decisions_orders_or_outcomes(site: Site, server: Guarded) -> None:
    add(server, MONITOR, "health_alert", *map(event, (decided(), order(), complete())))
    add(server, ANALYZER, "false_alarm", event(decided(), 1))
    add(server, MONITOR, "health_alert", honest := event(alert(kind=Kind.UNHEALTHY), 2))
    readers = 3  # analyzer, alert and the store
    eventually(lambda: len(dead_letters(server)) == readers * 3 + 2)
    assert all(b"does not belong in" in error for _, error in dead_letters(server))
    eventually(lambda: "health_alert" in stored_types(site))
    assert stored_types(site).isdisjoint({"decision", "order"})
    shown = [each for name in DURABLE for each in site.said(name)]
    assert not [each for each in shown if isinstance(each.data, Decided | Order)]
    assert honest in shown


def test_operator_cannot_request_an_action_by_the_stream_of_orders(site: Site, server: Guarded) -> None:
    site.engine.crash("db", 7)
    eventually(lambda: bool(site.said("health_alert")))
    raised = site.said("health_alert")[0]
    eventually(lambda: any(each.incident == raised.incident for each in site.said("remediation_complete")))
    before, answered = site.starts(), len(site.said("remediation_complete"))
    forged = request(raised.data, str(raised.incident), raised.time, rung=1)
    add(server, OPERATOR_USER, "order", forged)
    eventually(lambda: len(dead_letters(server)) == 3)  # responder, alert and the store
    assert site.starts() == before
    assert len(site.said("remediation_complete")) == answered


def test_role_shows_only_heartbeats_on_the_channel_of_heartbeats(site: Site, server: Guarded) -> None:
    forged = [event(each) for each in (decided(), order(), complete(), alert())]
    unseen = msgspec.structs.replace(event(heartbeat("alert", instance="x")), source="people@ann")
    last = event(heartbeat("alert", instance="last"))
    with closing(site.bus(VIEWER_USER).subscribe([*TYPES], timeout=0.05)) as heard:
        next(heard)  # the subscription is on
        for each in (*forged, unseen, last):
            server.client(ALERT).raw.publish("hemostat:heartbeat", encode(each))
        seen = []
        while last not in seen:
            seen += [each for each in [next(heard)] if each is not None]
    assert not [each for each in seen if isinstance(each.data, Decided | Order | RemediationComplete)]
    assert unseen not in seen


def test_role_cannot_keep_a_decision_from_the_store_by_its_id(site: Site, server: Guarded) -> None:
    """A role reads the id of a decision and is stored first, with an event of its own type."""
    honest = event(decided(), 5, incident=None)
    forged = msgspec.structs.replace(event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS)), id=honest.id)
    add(server, ANALYZER, "false_alarm", forged)
    eventually(lambda: "false_alarm" in stored_types(site))
    add(server, OPERATOR_USER, "decision", honest, honest)
    eventually(lambda: "decision" in stored_types(site))
    settings = Settings(host=HOST, state_dir=str(site.state_directory))
    with app.open_event_store(settings) as store:
        rows = [row for row in store.find(EventQuery()) if row.id.startswith(honest.id)]
        assert [row.event for row in rows] == [honest, forged]
        with store.open_trail() as (ends, links):
            assert list(verify_chain(links, ends, AnchorNotes())) == []
