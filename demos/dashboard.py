"""Draws the dashboard of a made-up afternoon as an SVG.

python demos/dashboard.py OUT.svg [--size COLUMNSxROWS]
"""

import argparse
import asyncio
import os
import re
import time
from pathlib import Path
from typing import Final

os.environ["TZ"] = "UTC"
time.tzset()

from hemostat.adapters.memory_bus import MemoryBus  # noqa: E402
from hemostat.core.breaker import Breaker  # noqa: E402
from hemostat.core.standing import Budget, Overview, Standing  # noqa: E402
from hemostat.events import (  # noqa: E402
    Action,
    Container,
    ContainerStats,
    Diagnosis,
    Event,
    Evidence,
    FalseAlarm,
    HealthAlert,
    Heartbeat,
    Kind,
    Outcome,
    Payload,
    Phase,
    Reason,
    RemediationComplete,
    RemediationNeeded,
    Severity,
    State,
)
from hemostat.topology import ROLES  # noqa: E402
from hemostat.tui.app import Dashboard  # noqa: E402
from hemostat.tui.model import Model  # noqa: E402

NOW: Final = 1_795_531_500.0
HOST: Final = "ops-1"
MIB: Final = 1 << 20
RESTART: Final = Action.RESTART


class StoppedClock:
    def now(self) -> float:
        return NOW

    def sleep(self, seconds: float) -> None:
        """Time does not pass."""


def box(name: str) -> Container:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": name}
    return Container(id=name, name=f"shop-{name}-1", image=name, labels=labels)


def stats(name: str, cpu: float, memory: int, limit: int | None, **state: object) -> ContainerStats:
    shown = {"status": "running", "started_at": NOW - 86400, **state}
    return ContainerStats(
        container=box(name),
        state=State(**shown),
        cpu=cpu,
        memory=memory * MIB,
        memory_limit=limit * MIB if limit else None,
    )


def alert(name: str, kind: Kind, ago: float, phase: Phase = Phase.RAISED, **facts: object) -> HealthAlert:
    return HealthAlert(
        container=box(name), kind=kind, severity=Severity.CRITICAL, since=NOW - ago, phase=phase, **facts
    )


def healed(name: str, kind: Kind, diagnosis: Diagnosis, **durations: float) -> RemediationComplete:
    return RemediationComplete(
        container=box(name),
        kind=kind,
        action=RESTART,
        outcome=Outcome.HEALED,
        reason=Reason.VERIFIED,
        diagnosis=diagnosis,
        durations=durations,
    )


CRASH: Final = Diagnosis(
    cause="crash", confidence=0.95, reasons=("exited with code 139, killed by signal 11",)
)
HUNG: Final = Diagnosis(
    cause="hung", confidence=0.9, reasons=("its health check fails while its process runs",)
)
LOOP: Final = Diagnosis(
    cause="runaway",
    confidence=0.85,
    reasons=("CPU at 100 % for 10 s", "no work to explain it: 31 B/s arriving"),
)
STEADY: Final = Diagnosis(
    cause="large but steady", confidence=0.8, reasons=("memory at 83 % of 1.0 GiB", "not growing")
)

BOXES: Final = (
    stats("web", 34.2, 182, 512, health="healthy"),
    stats("api", 61.8, 311, 512, health="healthy"),
    stats("worker", 100.4, 96, 256),
    stats("payments", 2.1, 140, 256, health="unhealthy"),
    stats("db", 18.6, 850, 1024, health="healthy"),
    stats("cache", 3.3, 64, 128),
    stats("mail", 0.2, 41, 128),
    stats("search", 12.7, 402, 768, health="healthy"),
    stats("proxy", 7.9, 38, None, restart_count=2),
)

OOPS: Final = (Evidence("exit_code", 139), Evidence("ran", 52114.2, "s"))
FULL: Final = (Evidence("memory", 83.0, "%"), Evidence("threshold", 80.0, "%"))
SPUN: Final = (Evidence("cpu", 100.4, "%"), Evidence("threshold", 85.0, "%"))

SAFETY: Final = Overview(
    breaker=Breaker(),
    budget=Budget(0, 3),
    containers={
        "shop-api-1": Standing(breaker=Breaker(), budget=Budget(1, 3)),
        "shop-payments-1": Standing(breaker=Breaker(), budget=Budget(2, 3)),
        "shop-mail-1": Standing(breaker=Breaker(3, open=True, until=NOW + 252), budget=Budget(2, 3)),
    },
)

STORY: Final[tuple[tuple[str, float, Payload], ...]] = (
    ("a", 1912.0, alert("api", Kind.EXITED, 1912.0, evidence=OOPS)),
    ("a", 1911.9, RemediationNeeded(alert=alert("api", Kind.EXITED, 1912), action=RESTART, diagnosis=CRASH)),
    ("a", 1909.5, healed("api", Kind.EXITED, CRASH, act=0.2, verify=2.0, total=2.3)),
    ("a", 1901.0, alert("api", Kind.EXITED, 1912.0, Phase.CLEARED)),
    ("b", 622.0, alert("db", Kind.MEMORY_HIGH, 632.0, window=10.0, evidence=FULL)),
    ("b", 621.9, FalseAlarm(alert=alert("db", Kind.MEMORY_HIGH, 632.0), diagnosis=STEADY)),
    ("c", 14.0, alert("worker", Kind.CPU_HIGH, 24.0, window=10.0, evidence=SPUN)),
    ("c", 13.9, RemediationNeeded(alert=alert("worker", Kind.CPU_HIGH, 24), action=RESTART, diagnosis=LOOP)),
    ("d", 1.2, alert("payments", Kind.UNHEALTHY, 1.2)),
    (
        "d",
        1.1,
        RemediationNeeded(alert=alert("payments", Kind.UNHEALTHY, 1.2), action=RESTART, diagnosis=HUNG),
    ),
)


def scene() -> MemoryBus:
    bus = MemoryBus(StoppedClock())
    for incident, ago, data in STORY:
        bus.publish([Event.make(data, time=NOW - ago, host=HOST, source="x@1", incident=incident)])
    for shown in BOXES:
        bus.show([Event.make(shown, time=NOW, host=HOST, source="monitor@1")], ttl=10)
    for role in ROLES:
        mode = "auto" if role.name == "responder" else ""
        beat = Heartbeat(role=role.name, instance="1", pid=1, started=NOW - 9000, every=2.0, mode=mode)
        bus.show([Event.make(beat, time=NOW, host=HOST, source=f"{role.name}@1")], ttl=10)
    return bus


def cells(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    return int(columns), int(rows)


async def draw(size: tuple[int, int]) -> str:
    app = Dashboard(Model(scene(), StoppedClock(), safety=lambda _: SAFETY))
    async with app.run_test(size=size) as pilot:
        while not app.screen.query_one("#log").virtual_size.height:
            await pilot.pause(0.05)
        picture = app.export_screenshot(title="hemostat tui")
    # The fonts would be fetched from the network.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the dashboard of a made-up afternoon as an SVG.")
    parser.add_argument("out", type=Path, metavar="OUT.svg")
    parser.add_argument("--size", type=cells, default=(116, 30), metavar="COLUMNSxROWS")
    given = parser.parse_args()
    given.out.write_text(asyncio.run(draw(given.size)), "utf-8")
