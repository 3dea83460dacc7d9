"""What watching costs and how late alerts are as the containers get more, `docker stats` beside it.

CPU is read from the processes' own clocks. The engine (dockerd, containerd and its shims) is counted as far
as it uses more than it did without HemoStat. All containers are quiet; the responder acts on nothing.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import docker
import redis

from hemostat.adapters.redis import EmbeddedRedis
from hemostat.config import FIELDS, get_variable_name
from hemostat.events import decode
from tests.bench.crowd import Crowd, crowd
from tests.bench.lab import Lab, descendants, hemostat_all, memory, named

COUNTS = (10, 100, 300)
WINDOWS, SECONDS = 4, 5.0
"""CPU is read in so many windows of so many seconds. Of HemoStat's the median counts; of the engine's the
least, for it may have work from others too."""
STARTS = 5
KILLS = 60
PAUSE = 0.3
ENGINE = ("dockerd", "containerd", "containerd-shim")
LIVE = "hemostat:live:container_stats"
QUIET = {"HEMOSTAT_RESPONDER_MODE": "dry-run"}
STORM = "monitor.storm_count"


@contextmanager
def _redis() -> Iterator[tuple[redis.Redis, str, int]]:
    """The Redis that HemoStat would start for itself: a client, its address, its process."""
    with tempfile.TemporaryDirectory(prefix="hemostat-bench-") as directory:
        url = EmbeddedRedis(Path(directory)).ensure_running()
        with closing(redis.Redis.from_url(url)) as client:
            yield client, url, int(Path(directory, "redis.pid").read_text())
            client.shutdown(nosave=True)


def measure(lab: Lab, counts: Sequence[int] = COUNTS) -> dict[str, float]:
    """By `<count> <what>`: CPU as a share of one core, seconds, bytes."""
    figures: dict[str, float] = {}
    with crowd(lab) as made:
        for count in counts:
            made.grow(count)
            time.sleep(SECONDS)
            for name, value in _measure(made).items():
                figures[f"{count} {name}"] = value
    return figures


def _measure(crowd: Crowd) -> dict[str, float]:
    (before,) = _cpu(_engine)
    stats = _docker_stats(crowd.ids)
    with _redis() as (client, url, server):
        settings = {"HEMOSTAT_REDIS_URL": url}
        startup = median(_start_up(crowd, client, settings) for _ in range(STARTS))
        with hemostat_all(crowd.label, **settings, **QUIET, **_calm()) as process:
            _await_all(crowd, client)
            pids = [*descendants(process.pid), server]
            time.sleep(SECONDS)
            ours, engine = _cpu(lambda: pids, _engine)
            resident, proportional = memory(pids)
            delays = _delays(crowd, client)
    (after,) = _cpu(_engine)
    idle = min(*before, *after)
    return {
        "HemoStat CPU": median(ours),
        "engine CPU for HemoStat": max(0.0, min(engine) - idle),
        "docker stats CPU": max(0.0, stats - idle),
        "alert p50": median(delays),
        "alert p99": quantiles(delays, n=100, method="inclusive")[98],
        "start-up": startup,
        "resident": resident,
        "proportional": proportional,
    }


def _calm() -> dict[str, str]:
    """Settings with which this number of deaths is no storm."""
    return {get_variable_name(STORM): "1000000"} if STORM in FIELDS else {}


# --- CPU ---------------------------------------------------------------------------------------------


def _engine() -> list[int]:
    return named(*ENGINE)


def _cpu(*groups: Callable[[], Iterable[int]]) -> list[tuple[float, ...]]:
    """The shares of one core that each group of processes used, by window."""
    shares = []
    for _ in range(WINDOWS):
        before, began = [_clocks(group()) for group in groups], time.monotonic()
        time.sleep(SECONDS)
        after, passed = [_clocks(each) for each in before], time.monotonic() - began
        shares.append([_spent(*pair) / passed for pair in zip(before, after, strict=True)])
    return list(zip(*shares, strict=True))


def _clocks(pids: Iterable[int]) -> dict[int, float]:
    """Seconds of CPU used by each process, to the nanosecond: /proc rounds to hundredths."""
    clocks = {}
    for pid in pids:
        try:
            clocks[pid] = time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return clocks


def _spent(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(after[pid] - before[pid] for pid in after)


def _docker_stats(containers: list[str]) -> float:
    process = subprocess.Popen(["docker", "stats", *containers], stdout=subprocess.DEVNULL)
    try:
        time.sleep(SECONDS)
        return min(_cpu(lambda: [process.pid, *_engine()])[0])
    finally:
        # It does not heed SIGTERM while it waits for the engine.
        process.kill()
        process.wait()


# --- time --------------------------------------------------------------------------------------------


def _start_up(crowd: Crowd, client: redis.Redis, settings: dict[str, str]) -> float:
    """Return the seconds from the monitor's start until the first stats of every container can be read."""
    client.flushall()
    with tempfile.TemporaryDirectory(prefix="hemostat-bench-") as directory:
        own = {"HEMOSTAT_STATE_DIR": directory, "HEMOSTAT_MONITOR_ONLY": crowd.label}
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "hemostat", "monitor"],
            env={**os.environ, **settings, **own},
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_all(crowd, client)
            return time.monotonic() - began
        finally:
            process.terminate()
            process.wait()


def _await_all(crowd: Crowd, client: redis.Redis) -> None:
    deadline = time.monotonic() + 30
    while client.zcard(LIVE) != len(crowd.ids):
        if time.monotonic() > deadline:
            raise SystemExit("the monitor does not tell of all containers")
        time.sleep(0.005)


def _delays(crowd: Crowd, client: redis.Redis) -> list[float]:
    """Return the seconds from the engine's time of each death until a subscriber has the alert."""
    delays = []
    with _alerts(client) as alerts, _deaths(crowd) as deaths:
        for container in crowd.ids[:KILLS]:
            os.kill(crowd.pid(container), signal.SIGKILL)
            delays.append(alerts.of(container) - deaths.of(container))
            crowd.start(container)
            time.sleep(PAUSE)
    return delays


class Times:
    """The times when each container's event was received, recorded by a thread."""

    def __init__(self, events: Iterator[tuple[str, float]]) -> None:
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._note, args=(events,), daemon=True).start()

    def _note(self, events: Iterator[tuple[str, float]]) -> None:
        for container, moment in events:
            with self._changed:
                self._seen[container] = moment
                self._changed.notify_all()

    def of(self, container: str) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: container in self._seen, timeout=30):
                raise SystemExit(f"nothing was said of container {container[:12]}")
            return self._seen[container]


@contextmanager
def _alerts(client: redis.Redis) -> Iterator[Times]:
    with closing(client.pubsub(ignore_subscribe_messages=True)) as channel:
        channel.subscribe("hemostat:health_alert")
        channel.get_message(timeout=1)
        yield Times(_received(channel))


def _received(channel: Any) -> Iterator[tuple[str, float]]:
    with suppress(redis.RedisError, ValueError, AttributeError):  # closed while it waits
        for message in channel.listen():
            moment = time.time()
            yield decode(message["data"]).data.container.id, moment


@contextmanager
def _deaths(crowd: Crowd) -> Iterator[Times]:
    client = docker.APIClient()
    filters = {"event": "die", "label": crowd.label}
    with closing(client), closing(client.events(decode=True, filters=filters)) as events:
        yield Times((event["id"], event["timeNano"] / 1e9) for event in events)
