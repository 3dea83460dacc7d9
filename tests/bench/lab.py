"""Shared parts of the measurements: containers, a HemoStat of their own, and counters of /proc."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

IMAGE = "hemostat-bench:busybox"
LABEL = "hemostat.bench"
IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 5 & wait; done"]


class Lab:
    """Containers that are created for one run of the bench and removed after it."""

    def __init__(self) -> None:
        self.run_id = secrets.token_hex(4)
        self.client = docker.from_env()
        self.api = self.client.api

    def start(self, command: list[str] = IDLE, **options: object) -> str:
        labels = {LABEL: self.run_id, **options.pop("labels", {})}  # type: ignore[dict-item]
        name = f"hemostat-bench-{secrets.token_hex(3)}"
        container = self.client.containers.run(
            IMAGE, command, name=name, labels=labels, detach=True, **options
        )
        return str(container.id)

    def pid(self, container: str) -> int:
        return int(self.api.inspect_container(container)["State"]["Pid"])

    def clear(self) -> None:
        for container in self.client.containers.list(all=True, filters={"label": f"{LABEL}={self.run_id}"}):
            container.remove(force=True, v=True)

    def close(self) -> None:
        self.clear()
        self.client.close()


@contextmanager
def lab() -> Iterator[Lab]:
    from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers

    engine = DockerEngine.connect()
    DockerTestContainers(engine).make_image(IMAGE, "/bin/busybox")
    engine.close()
    made = Lab()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def hemostat_all(only: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`hemostat all` with a state directory of its own, until the block ends; ready when it is entered."""
    with tempfile.TemporaryDirectory(prefix="hemostat-bench-") as directory:
        environ = {
            **os.environ,
            "HEMOSTAT_STATE_DIR": directory,
            "HEMOSTAT_MONITOR_ONLY": only,
            "HEMOSTAT_RESPONDER_BUDGET": "100000",
            "HEMOSTAT_RESPONDER_BACKOFF": "0",
            "HEMOSTAT_RESPONDER_RUSH": "100000",
            # What is measured dies over and over.
            "HEMOSTAT_MONITOR_LOOP_DEATHS": "100000",
            **settings,
        }
        command = [sys.executable, "-m", "hemostat", "all"]
        with Path(directory, "log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, stderr=log, stdout=log)
        try:
            _await_roles(environ)
            yield process
        finally:
            process.terminate()
            process.wait(20)


def _await_roles(environ: dict[str, str]) -> None:
    import json

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        shown = subprocess.run(
            [sys.executable, "-m", "hemostat", "status", "--json"],
            env=environ,
            capture_output=True,
            check=False,
        )
        if shown.returncode == 0 and len(json.loads(shown.stdout)["roles"]) == 4:
            return
    raise SystemExit("hemostat all did not come up")


def descendants(pid: int) -> list[int]:
    """The process and those that it and they have started. One that ends meanwhile counts as the last."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        children = []
    return [pid, *(each for child in children for each in descendants(int(child)))]


def named(*names: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() in names:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU used so far by these processes and their ended children."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def memory(pids: Iterable[int]) -> tuple[int, int]:
    """Resident and proportional set size in bytes."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                rss += int(value.split()[0]) * 1024
            elif name == "Pss":
                pss += int(value.split()[0]) * 1024
    return rss, pss
