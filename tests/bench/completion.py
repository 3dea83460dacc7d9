"""Shell completion of names from the bus, from the start of the process."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, RedisControls, connect
from hemostat.core.ledger.controls import Approval
from hemostat.events import (
    Action,
    Container,
    ContainerStats,
    Event,
    HealthAlert,
    Kind,
    Severity,
    State,
)

CONTAINERS = 300
INCIDENTS = 200
ROUNDS = 10
LINES = {
    "order restart": "hemostat order restart ",
    "explain": "hemostat explain ",
    "incident show": "hemostat incident show ",
    "approve": "hemostat approve ",
    "pause --container": "hemostat pause --container ",
    "history --project": "hemostat history --project ",
    "demo": "hemostat demo ",
    "--set": "hemostat --set ",
}
"""What is completed, by what is measured."""


def measure() -> dict[str, float]:
    """Median seconds of 10 processes each."""
    with tempfile.TemporaryDirectory() as directory:
        server = EmbeddedRedis(Path(directory) / "state")
        client = connect(server.ensure_running())
        try:
            fill(RedisBus(client), RedisControls(client))
            environ = {**os.environ, "HEMOSTAT_STATE_DIR": f"{directory}/state", "XDG_CONFIG_HOME": directory}
            return {name: median(_time(line, environ) for _ in range(ROUNDS)) for name, line in LINES.items()}
        finally:
            client.close()
            server.shut_down_if_unused()


def fill(bus: RedisBus, controls: RedisControls) -> None:
    now = time.time()

    def make(data: ContainerStats | HealthAlert, number: int) -> Event:
        return Event.make(data, time=now, host="bench", source="monitor@bench", incident=f"{number:010x}")

    containers = [
        Container(id=f"{number:064x}", name=f"web-{number}", labels={"com.docker.compose.project": "shop"})
        for number in range(CONTAINERS)
    ]
    stats = [ContainerStats(container=each, state=State(status="running")) for each in containers]
    bus.publish_live([make(each, 0) for each in stats], ttl=600.0)
    alerts = [
        HealthAlert(container=each, kind=Kind.EXITED, severity=Severity.CRITICAL, since=now)
        for each in containers[:INCIDENTS]
    ]
    bus.publish([make(each, number) for number, each in enumerate(alerts)])
    controls.request_approval(
        Approval(
            id="a1b2",
            key="k",
            incident="0000000001",
            host="bench",
            container="web-1",
            action=Action.RESTART,
            asked=now,
            until=now + 600,
        )
    )


def _time(line: str, environ: dict[str, str]) -> float:
    request = {
        "_HEMOSTAT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split())),
    }
    began = time.perf_counter()
    command = [Path(sys.executable).with_name("hemostat")]
    answer = subprocess.run(command, env=environ | request, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    assert answer.stdout.strip(), f"nothing is offered for {line!r}"
    assert not answer.stderr
    return seconds
