"""Containers that crash on a signal, `hemostat all` that watches them, and a record of the engine's
events."""

import os
import random
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker

from hemostat.adapters.redis import Client, EmbeddedRedis, RedisBus, connect
from hemostat.events import DURABLE, Event
from hemostat.streams import ROLES
from tests.bench.lab import descendants
from tests.e2e.faults.account import Happening
from tests.support.engine_fixtures import IMAGE
from tests.support.lab.hemostat_all import HemoStatAll
from tests.support.lab.waiting import wait_until

LABEL = "hemostat.faults"
CRASHES = ["sh", "-c", "trap 'exit 0' TERM; trap 'exit 7' USR1; while :; do sleep 3600 & wait $!; done"]
"""Exits with 7 on SIGUSR1: a failure even if its event was not observed."""
STEADY = 2.0
"""Seconds that a container must have run before it is crashed again: the restart is verified by then."""
GENEROUS = {
    "MONITOR_LOOP_DEATHS": "100000",
    "MONITOR_STORM_COUNT": "100000",
    "RESPONDER_BUDGET": "100000",
    "RESPONDER_BACKOFF": "0",
    "RESPONDER_RUSH": "100000",
    "RESPONDER_BREAKER_FAILURES": "100000",
    "RESPONDER_HOST_BREAKER_FAILURES": "100000",
    "RESPONDER_VERIFY_FOR": "0.5",
}


class Site:
    """One HemoStat on one engine. `redis` is a client of its Redis."""

    def __init__(self, directory: Path, containers: int, docker_url: str | None = None) -> None:
        self.directory = directory
        self.label = f"{LABEL}={secrets.token_hex(4)}"
        self.docker = docker.DockerClient(docker_url) if docker_url else docker.from_env()
        self.deaths: list[Happening] = []
        self.happened: list[Happening] = []
        self.random = random.Random()  # noqa: S311 - which container crashes is no secret
        self.begun = time.time()
        self.pids: dict[str, int] = {}
        self._hemostat: HemoStatAll | None = None
        self._client: Client | None = None
        self._network = "none" if docker_url else "bridge"
        self.containers = [self._make() for _ in range(containers)]
        self.listen()

    def _make(self) -> str:
        name, (key, value) = f"hs-fault-{secrets.token_hex(3)}", self.label.split("=")
        made = self.docker.containers.run(
            IMAGE, CRASHES, name=name, labels={key: value}, detach=True, network_mode=self._network
        )
        return str(made.id)

    def listen(self) -> None:
        """Record the engine's events from now on. Must be called again after the engine was down."""
        api = self.docker.api
        self._events = api.events(decode=True, filters={"label": self.label, "type": "container"})
        threading.Thread(target=self._witness, args=(self._events,), daemon=True).start()

    def _witness(self, events: Any) -> None:
        with suppress(Exception):
            for event in events:
                happening = Happening(event["timeNano"] / 1e9, event["id"], event["Action"])
                if happening.action in {"start", "die"}:
                    self.happened.append(happening)

    # --- HemoStat -----------------------------------------------------------------------------------

    def begin(self, **settings: str) -> None:
        """Start `hemostat all`, and wait until it watches the containers."""
        settings = {**GENEROUS, "MONITOR_ONLY": self.label, **settings}
        self._hemostat = HemoStatAll(self.directory, **settings)
        wait_until(self.is_watching, "hemostat all watches the containers")
        self.begun = time.time()

    @property
    def hemostat(self) -> HemoStatAll:
        assert self._hemostat is not None, "begin first"
        return self._hemostat

    @property
    def env(self) -> dict[str, str]:
        return self.hemostat.env

    def command(self, *arguments: str) -> str:
        """Return the command's output; empty where the command fails."""
        done = self.hemostat.run(*arguments)
        return done.stdout if done.returncode == 0 else ""

    def status(self) -> dict[str, Any]:
        return self.hemostat.status()

    def is_watching(self) -> bool:
        told = self.status()
        return len(told.get("roles", ())) >= len(ROLES) and len(told["containers"]) == len(self.containers)

    def shown(self) -> set[str]:
        """Return the incidents that `hemostat status` shows as open."""
        return {each["incident"] for each in self.status().get("incidents", ())}

    def roles(self) -> list[int]:
        """Return the pids of the roles that run."""
        return descendants(self.hemostat.process.pid)[1:]

    @property
    def redis_pid(self) -> int:
        return int((self.directory / "redis.pid").read_text())

    @property
    def redis(self) -> Client:
        if self._client is None:
            self._client = connect(EmbeddedRedis(self.directory).url)
        return self._client

    # --- crashing -----------------------------------------------------------------------------------

    def crash(self, container: str) -> bool:
        """Crash the container if it has run for long enough. Returns whether it was crashed."""
        state: dict[str, Any] = self.docker.api.inspect_container(container)["State"]
        started = max((each.time for each in self.happened if each.container == container), default=0.0)
        if not state["Running"] or time.time() - started < STEADY:
            return False
        seen = len(self.of(container, "die"))

        def has_crashed() -> bool:
            """Send the signal again until the container has died: on a busy machine its trap may not be set
            yet, and a container's first process ignores a signal without a trap."""
            if len(self.of(container, "die")) > seen:
                return True
            with suppress(ProcessLookupError):
                os.kill(state["Pid"], signal.SIGUSR1)
            return False

        wait_until(has_crashed, "the container has crashed", 30)
        self.deaths.append(self.of(container, "die")[seen])
        return True

    def crash_unseen(self, count: int) -> None:
        """Crash containers while the engine cannot be asked about them, by the pids that `remember` noted."""
        for container in self.random.sample(sorted(self.pids), count):
            os.kill(self.pids.pop(container), signal.SIGUSR1)
            self.deaths.append(Happening(time.time(), container, "die"))

    def remember(self) -> None:
        """Note the pids of the running containers, for `crash_unseen`."""
        states = {each: self.docker.api.inspect_container(each)["State"] for each in self.containers}
        self.pids = {each: state["Pid"] for each, state in states.items() if state["Running"]}

    def of(self, container: str, action: str) -> list[Happening]:
        return [each for each in self.happened if (each.container, each.action) == (container, action)]

    def crash_for(self, count: int, every: float, longest: float = 300.0) -> None:
        """Crash containers `count` times, one after the other. Containers that are down are left out."""
        deadline = time.monotonic() + longest
        done = 0
        while done < count and time.monotonic() < deadline:
            done += any(
                self.crash(each) for each in self.random.sample(self.containers, len(self.containers))
            )
            time.sleep(every)

    # --- how it stands ------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        bus = RedisBus(self.redis)
        return [event for stream in DURABLE for event in bus.read_recent(stream, 100_000)]

    def waiting(self) -> int:
        """Return the number of entries that some role has not handled yet."""
        bus = RedisBus(self.redis)
        host = os.uname().nodename
        lags = sum(bus.count_lag(role.make_group_name(host), role.reads) for role in ROLES if role.reads)
        return lags + int(self.redis.raw.zcard(f"hemostat:deferred:remediation_needed:responder:{host}"))  # type: ignore[arg-type]

    def all_run(self) -> bool:
        found = self.docker.api.containers(filters={"label": self.label})
        return len(found) == len(self.containers)

    def settle(self, *, running: bool = True, seconds: float = 90.0) -> str:
        """Wait until all work is done. Returns what is left if the time was too short."""
        try:
            wait_until(
                lambda: (not running or self.all_run()) and self.waiting() == 0, "all is done", seconds
            )
        except TimeoutError:
            return f"{self.waiting()} entries wait"
        return ""

    def close(self) -> None:
        if self._hemostat is not None:
            self._hemostat.stop()
        if self._client is not None:
            self._client.close()
        self._events.close()
        for container in self.docker.containers.list(all=True, filters={"label": self.label}):
            container.remove(force=True, v=True)
        self.docker.close()


@contextmanager
def site(containers: int, docker_url: str | None = None, directory: Path | None = None) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="hs-fault-") as other:
        place = directory or Path(other)
        made = Site(place, containers, docker_url)
        try:
            yield made
        finally:
            made.close()
            if keep := os.environ.get("KEEP_LOGS"):
                shutil.copy(place / "all.log", keep)
            EmbeddedRedis(place).shut_down_if_unused()
