"""Seconds from kill -9 until the container runs again: HemoStat, a minimal script, and Docker's own restart
policy.

Each round kills one container of each kind, one after the other. The time is that of the engine's `start`
event minus that of the kill.
"""

import os
import signal
import threading
import time
from statistics import median

import docker

from tests.bench.lab import LABEL, Lab, hemostat_all

FLOOR = f"{LABEL}.floor"


class Starts:
    """The times of the `start` events of each container."""

    def __init__(self, lab: Lab) -> None:
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()
        self._client = docker.from_env()
        self._events = self._client.api.events(
            decode=True, filters={"event": "start", "label": f"{LABEL}={lab.run_id}"}
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._events:
            with self._changed:
                self._seen[event["id"]] = event["timeNano"] / 1e9
                self._changed.notify_all()

    def after(self, container: str, moment: float) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: self._seen.get(container, 0) > moment, timeout=30):
                raise SystemExit(f"container {container[:12]} did not come back")
            return self._seen[container]

    def close(self) -> None:
        self._events.close()
        self._client.close()


def _floor(lab: Lab) -> tuple[docker.DockerClient, object]:
    """The lower bound: a bare SDK script that starts containers that have died."""
    client = docker.from_env()
    events = client.api.events(decode=True, filters={"event": "die", "label": f"{FLOOR}={lab.run_id}"})

    def restart() -> None:
        for event in events:
            client.api.start(event["id"])

    threading.Thread(target=restart, daemon=True).start()
    return client, events


def _heal(lab: Lab, starts: Starts, container: str) -> float:
    pid = lab.pid(container)
    moment = time.time()
    os.kill(pid, signal.SIGKILL)
    return starts.after(container, moment) - moment


def measure(lab: Lab, rounds: int = 15) -> dict[str, float]:
    """Median seconds."""
    only = f"{LABEL}.healed={lab.run_id}"
    client, events = _floor(lab)
    starts = Starts(lab)
    try:
        with hemostat_all(only, HEMOSTAT_RESPONDER_VERIFY_FOR="0"):
            patients = {
                "HemoStat, four roles": lab.start(labels={f"{LABEL}.healed": lab.run_id}),
                "floor: die event + start call": lab.start(labels={FLOOR: lab.run_id}),
                "Docker --restart=always": lab.start(restart_policy={"Name": "always"}),
            }
            times: dict[str, list[float]] = {name: [] for name in patients}
            for _ in range(rounds):
                for name, container in patients.items():
                    times[name].append(_heal(lab, starts, container))
                # Docker's policy waits longer each time unless the container has run for 10 s.
                time.sleep(10.5)
    finally:
        events.close()  # type: ignore[attr-defined]
        client.close()
        starts.close()
        lab.clear()
    return {name: median(values) for name, values in times.items()}
