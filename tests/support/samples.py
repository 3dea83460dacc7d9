"""One event of every type, telling of one incident: a container that died and was healed."""

from typing import Any

import msgspec

from hemostat.events import (
    TYPES,
    Action,
    Container,
    ContainerStats,
    Decided,
    Diagnosis,
    Event,
    Evidence,
    FalseAlarm,
    Figure,
    HealthAlert,
    Heartbeat,
    Kind,
    Order,
    Outcome,
    Payload,
    Phase,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    Severity,
    State,
    Word,
)
from hemostat.streams import WRITERS

NOW = 1_795_480_000.0
WEB = Container(id="c1", name="web", image="busybox", labels={"hemostat.cpu": "90"})
DIAGNOSIS = Diagnosis(cause="crash", confidence=0.9, reasons=("exit code 1", "nobody asked for it"))
LOOP = (
    Evidence("cpu", 99.0, "%"),
    Evidence("received", 0.0, "B/s"),
    Evidence("sent", 0.0, "B/s"),
    Evidence("loopback", 0.0, "B/s"),
    Evidence("block_io", 0.0, "B/s"),
    Evidence("read_write", 0.0, "B/s"),
    Evidence("hot_read_write", 0.0, "B/s"),
    Evidence("page_faults", 0.0, "/s"),
    Evidence("calm", 600.0, "s"),
    Evidence("hot_threads", 1),
    Evidence("hot_share", 100.0, "%"),
    Evidence("user_time", 99.0, "%"),
    Evidence("switches", 0.0, "/s"),
)
"""All evidence for a loop."""
RUNNING = State(status="running", health="healthy", started_at=NOW)


def alert(**changes: Any) -> HealthAlert:
    plain = HealthAlert(
        container=WEB,
        kind=Kind.EXITED,
        severity=Severity.CRITICAL,
        since=NOW,
        evidence=(Evidence("exit_code", 1.0),),
    )
    return msgspec.structs.replace(plain, **changes)


def needed(**changes: Any) -> RemediationNeeded:
    plain = RemediationNeeded(alert=alert(), action=Action.RESTART, diagnosis=DIAGNOSIS)
    return msgspec.structs.replace(plain, **changes)


def complete(**changes: Any) -> RemediationComplete:
    plain = RemediationComplete(
        container=WEB,
        kind=Kind.EXITED,
        action=Action.RESTART,
        outcome=Outcome.HEALED,
        reason=Reason.VERIFIED,
        diagnosis=DIAGNOSIS,
        before=State(status="exited", exit_code=1),
        after=RUNNING,
        durations={"act": 0.3, "verify": 2.0, "total": 3.1},
    )
    return msgspec.structs.replace(plain, **changes)


def order(**changes: Any) -> Order:
    plain = Order(container=WEB, action=Action.RESTART, by="ann@h", reason="it is slow")
    return msgspec.structs.replace(plain, **changes)


def decided(**changes: Any) -> Decided:
    plain = Decided(what=Word.PAUSED, by="ann@h", container="*", reason="deploy", until=NOW + 1803.8)
    return msgspec.structs.replace(plain, **changes)


def stats(**changes: Any) -> ContainerStats:
    plain = ContainerStats(container=WEB, state=RUNNING, cpu=12.5, memory=64 * 1024**2)
    return msgspec.structs.replace(plain, **changes)


def heartbeat(role: str = "monitor", **changes: Any) -> Heartbeat:
    plain = Heartbeat(role=role, instance="h-1", pid=1, started=NOW, every=2.0)
    return msgspec.structs.replace(plain, **changes)


def event(data: Payload, at: float = 0.0, *, incident: str | None = "i1", host: str = "h") -> Event:
    """Wrap the data, `at` seconds after NOW. Screens' events belong to no incident."""
    if isinstance(data, ContainerStats | Heartbeat):
        incident = None
    return Event.make(data, time=NOW + at, host=host, source=name_source(data), incident=incident)


def name_source(data: Payload) -> str:
    """A source that the event's stream or channel accepts."""
    if isinstance(data, Heartbeat):
        return f"{data.role}@{data.instance}"
    [(writer,)] = [WRITERS[name] for name, shape in TYPES.items() if isinstance(data, shape)]
    return f"{writer}@h-1"


CLEARED = alert(phase=Phase.CLEARED)
ALL = (
    event(alert()),
    event(needed(), 0.1),
    event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), 0.2),
    event(complete(), 3.0),
    event(order(), 3.5, incident="i2"),
    event(decided(), 3.8, incident=None),
    event(stats(), 4.0),
    event(heartbeat(figures=(Figure("hemostat_samples_total", ("h",), 5),)), 5.0),
)


def composed(
    service: str = "web", project: str = "shop", config: str = "c0ffee", **labels: str
) -> dict[str, str]:
    """The labels by which Compose names a replica. Two replicas of one service have the same hash."""
    made = {
        "project": project,
        "service": service,
        "config-hash": f"{config}-{service}",
        "project.working_dir": f"/srv/{project}",
        "project.config_files": "docker-compose.yml",
    }
    return {**{f"com.docker.compose.{key}": value for key, value in made.items()}, **labels}
