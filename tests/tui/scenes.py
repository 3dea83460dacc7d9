"""What the views are tried on: incidents with all there is to say of them, and what was kept."""

from collections.abc import Sequence

import msgspec

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.evidence.build import build_snapshot
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun, MetricPoint
from hemostat.core.model import ContainerInfo
from hemostat.events import (
    Action,
    Container,
    Diagnosis,
    Event,
    Evidence,
    Investigation,
    Kind,
    Outcome,
    Phase,
    Quote,
    Reason,
    State,
)
from tests.support.clock import FakeClock
from tests.support.samples import NOW, WEB, alert, complete, event, heartbeat, needed, stats

MIB = 1 << 20
DB = Container(id="c2", name="db")
LOG = "".join(f"2026-11-24T00:26:{n:02d}Z worker {n} took a connection\n" for n in range(55))
LOOKED = Investigation(
    model="anthropic:claude-x",
    roots=("web",),
    quotes=(Quote("log", "pool exhausted, 40 of 40 in use"),),
    expect="the health check passes within 10 s",
    alternative="the database is slow",
    steps=("log of web, 200 lines", "top of web"),
    seconds=4.2,
    tokens=3100,
    cost=0.0123,
)
HUNG = Diagnosis(
    cause="hung",
    confidence=0.85,
    reasons=("its health check fails while its process runs", "no connection is given back"),
    advisor="anthropic:claude-x",
    investigation=LOOKED,
)
SICK = alert(
    kind=Kind.UNHEALTHY,
    since=NOW - 0.02,
    evidence=(Evidence("failing_streak", 3.0), Evidence("health_output", "connection refused")),
)
ASKED = needed(alert=SICK, diagnosis=HUNG)
HEALED = complete(
    kind=Kind.UNHEALTHY,
    diagnosis=HUNG,
    before=State(status="running", health="unhealthy"),
    durations={"act": 0.4, "verify": 2.0, "total": 2.5},
)
POINTS = tuple(
    MetricPoint(NOW - 50 + n, 20.0 + n % 7, (30 + n) * MIB, 1200 * (n % 9), 40 * n) for n in range(50)
)


def kept(log: str = LOG, **changes: object) -> EvidenceSnapshot:
    plain = build_snapshot(
        ASKED,
        ContainerInfo(ref=WEB, status="running", health="unhealthy"),
        now=NOW + 4.3,
        log=log,
        processes=["serve --port 80", "worker"],
        details=ContainerDetails(
            command=("serve",),
            memory_limit=128 * MIB,
            environment={"API_KEY": "abc", "MODE": "production"},
            checks=(
                HealthcheckRun(time=NOW - 12, exit_code=0, output="ok"),
                HealthcheckRun(time=NOW - 2, exit_code=1, output="connection refused"),
            ),
        ),
        samples=POINTS,
    )
    return msgspec.structs.replace(plain, **changes)


def told() -> list[Event]:
    """Of i1, from the alert to the end; it follows i0 of the same container, and db's i2 is open."""
    return [
        event(alert(since=NOW - 900), -900.0, incident="i0"),
        event(complete(outcome=Outcome.REFUSED, reason=Reason.PROTECTED), -899.0, incident="i0"),
        event(SICK, 0.0),
        event(ASKED, 4.2),
        event(HEALED, 6.7),
        event(alert(kind=Kind.UNHEALTHY, phase=Phase.CLEARED), 9.0),
        event(alert(container=DB, since=NOW + 8), 8.0, incident="i2"),
        event(needed(alert=alert(container=DB), action=Action.RESTART), 8.1, incident="i2"),
    ]


def bus(clock: FakeClock, events: Sequence[Event] | None = None) -> InMemoryBus:
    made = InMemoryBus(clock)
    made.publish(told() if events is None else events)
    for point in POINTS:
        network = {"received": point.received, "sent": point.sent}
        shown = stats(cpu=point.cpu, memory=point.memory, memory_limit=128 * MIB, **network)
        made.publish_live([event(shown, point.time - NOW)], ttl=600)
    made.publish_live(
        [event(stats(memory_limit=128 * MIB, memory=32 * MIB, received=6144, sent=512), 9.0)], ttl=600
    )
    made.publish_live(
        [event(stats(container=DB, state=State(status="exited"), cpu=None, memory=None), 9.0)], ttl=600
    )
    made.publish_live(
        [event(heartbeat(role), 9.0) for role in ("monitor", "analyzer", "responder", "alert")], ttl=60
    )
    return made
