"""What the dashboard costs: `hemostat tui` itself, in a pseudo terminal, on a real Redis.

Containers are told of as the monitor does: once a second, a fifth of them each time. Beside it, in the same
run, a plain DataTable that is fed by the same thread and updates the cells that changed.
"""

import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Self

from hemostat.adapters.redis import Client, EmbeddedRedis, RedisBus, connect
from hemostat.events import (
    Container,
    ContainerStats,
    Event,
    HealthAlert,
    Heartbeat,
    Kind,
    Severity,
    State,
)
from hemostat.streams import ROLES_BY_NAME
from tests.bench.lab import cpu_seconds, memory
from tests.bench.terminal import Terminal, running

COUNTS = (20, 300, 2000)
FIFTH = 5
SETTLE = 6.0
SECONDS = 10.0
QUIET = 6.0
KEYS = 150
STARTS = 9
HOUR = 3600
CROWD = 300
"""Containers during the hour."""
DASHBOARD = (sys.executable, "-m", "hemostat", "tui")
BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("HemoStat")

Bare().run()
"""
TABLE = """
import sys, threading
from textual.app import App
from textual.widgets import DataTable
from hemostat import app
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import load
from hemostat.events import ContainerStats
from hemostat.tui.data.feed import Feed

clock = SystemClock(threading.Event())
bus = app.open_bus(load().settings, start=False)

class Plain(App):
    def compose(self):
        yield DataTable()
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns(*((name, name) for name in ("state", "container", "cpu", "memory", "incident")))
        self.feed = Feed(bus, clock, lambda news: self.call_from_thread(self.take, news))
        self.feed.start()
    def take(self, news):
        table = self.query_one(DataTable)
        for event in news.events:
            if not isinstance(event.data, ContainerStats):
                continue
            stats, key = event.data, event.data.container.name
            if key not in table.rows:
                table.add_row("healthy", key, "", "", "", key=key)
            table.update_cell(key, "cpu", f"{stats.cpu:.1f} %")
            table.update_cell(key, "memory", f"{stats.memory / 2**20:.1f} MiB")
    def on_unmount(self):
        self.feed.stop()

Plain().run()
"""


class Crowd:
    """Containers that change, and roles that live, until the block ends.

    A process of its own publishes, as in use: a thread would delay the clock that measures the keys.
    """

    def __init__(self, bus: RedisBus, count: int, *, changing: bool = True) -> None:
        self._bus = bus
        self._boxes = [
            Container(
                id=f"c{number}",
                name=f"shop-web-{number}",
                labels={"com.docker.compose.project": f"shop-{number % 10}"},
            )
            for number in range(count)
        ]
        self._changing = changing
        fork = multiprocessing.get_context("fork")
        self._stop = fork.Event()
        self._process = fork.Process(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.tell(range(len(self._boxes)), 0)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join()

    def _run(self) -> None:
        turn = 0
        began = time.monotonic()
        while not self._stop.wait(max(0.0, began + turn - time.monotonic())):
            turn += 1
            self.tell(range(turn % FIFTH, len(self._boxes), FIFTH), turn if self._changing else 0)
            if turn % 2:
                self.beat()

    def tell(self, numbers: Sequence[int], turn: int) -> None:
        """Publish new values of some containers; in turn 0 the same values as before."""
        now = time.time()
        events = [
            Event.make(
                ContainerStats(
                    container=self._boxes[number],
                    state=State(status="running", health="healthy", started_at=1.0),
                    cpu=round((number * 7 + turn * 13) % 97 + 0.5, 1),
                    memory=(64 + (number + turn * 3) % 50) << 20,
                    memory_limit=128 << 20,
                ),
                time=now,
                host="bench",
                source="monitor@1",
            )
            for number in numbers
        ]
        for start in range(0, len(events), 100):
            self._bus.publish_live(events[start : start + 100], ttl=30)

    def beat(self) -> None:
        now = time.time()
        beats = [
            Heartbeat(
                role=name, instance="1", pid=1, started=1.0, every=2.0, mode="auto" * (name == "responder")
            )
            for name in ROLES_BY_NAME
        ]
        self._bus.publish_live(
            [Event.make(each, time=now, host="bench", source=f"{each.role}@1") for each in beats], ttl=30
        )

    def fail(self, turn: int) -> None:
        now = time.time()
        alert = HealthAlert(
            container=self._boxes[turn % len(self._boxes)],
            kind=Kind.EXITED,
            severity=Severity.CRITICAL,
            since=now,
        )
        self._bus.publish(
            [Event.make(alert, time=now, host="bench", source="monitor@1", incident=f"i{turn % 50}")]
        )


def measure(counts: Sequence[int] = COUNTS) -> dict[str, float]:
    """Bytes and shares of a core a second; seconds; bytes of memory."""
    figures: dict[str, float] = {}
    with place() as (client, environ):
        bus = RedisBus(client)
        for count in counts:
            with Crowd(bus, count):
                figures |= _cost(count, environ)
            client.raw.flushall()
        with Crowd(bus, CROWD, changing=False), running(DASHBOARD, environ) as shown:
            shown.watch(SETTLE)
            figures["idle bytes"] = shown.watch(QUIET)
            figures |= _starts(environ)
        figures |= _hour(bus, environ)
    return figures


def _cost(count: int, environ: dict[str, str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    with running(DASHBOARD, environ) as shown:
        shown.watch(SETTLE)
        figures |= _tick(f"{count}", shown)
        shown.press(b"j")
        shown.press(b"j")
        keys = []
        for number in range(KEYS):
            keys.append(shown.press(b"j" if number % 20 < 10 else b"k"))
            shown.watch(0.03)
        figures[f"{count} key p50"], figures[f"{count} key p99"] = median(keys), quantiles(keys, n=100)[98]
    with running([sys.executable, "-c", TABLE], environ) as plain:
        plain.wait_for(re.compile(rb"shop-web-"))
        plain.watch(SETTLE)
        figures |= _tick(f"{count} DataTable", plain)
    return figures


def _tick(name: str, shown: Terminal) -> dict[str, float]:
    before = cpu_seconds([shown.process.pid])
    sent = shown.watch(SECONDS)
    used = cpu_seconds([shown.process.pid]) - before
    return {f"{name} bytes": sent / SECONDS, f"{name} CPU": used / SECONDS}


def _hour(bus: RedisBus, environ: dict[str, str]) -> dict[str, float]:
    """Publish an hour of a crowd, with an alert every second, as fast as Redis takes the events."""
    with Crowd(bus, CROWD) as crowd, running(DASHBOARD, environ) as shown:
        shown.watch(SETTLE)
        # Log and trails are full then, so that what grows after that is a leak.
        for turn in range(600):
            crowd.fail(turn)
            crowd.tell(range(turn % FIFTH, CROWD, FIFTH), turn)
            shown.watch(0.001)
        shown.watch(3.0)
        before = memory([shown.process.pid])[0]
        began, told = time.monotonic(), 0
        for turn in range(1, HOUR + 1):
            numbers = range(turn % FIFTH, CROWD, FIFTH)
            crowd.tell(numbers, turn)
            crowd.fail(turn)
            told += len(numbers) + 1
            shown.watch(0.001)
        rate = told / (time.monotonic() - began)
        shown.watch(5.0)
        shown.press(b"j")
        return {"hour rate": rate, "hour before": before, "hour after": memory([shown.process.pid])[0]}


@contextmanager
def place() -> Iterator[tuple[Client, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as directory:
        server = EmbeddedRedis(Path(directory))
        url = server.ensure_running()
        client = connect(url)
        plain = {
            key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "NO_COLOR"}
        }
        environ = {
            **plain,
            "TERM": "xterm-256color",
            "HEMOSTAT_REDIS_URL": url,
            "HEMOSTAT_STATE_DIR": directory,
        }
        try:
            yield client, environ
        finally:
            client.close()
            server.shut_down_if_unused()


def _starts(environ: dict[str, str]) -> dict[str, float]:
    """Return the fastest of several starts, in turn: other work on the machine only adds time."""
    figures: dict[str, float] = {}
    for _ in range(STARTS):
        for name, command, sign in (
            ("first paint", DASHBOARD, rb"HemoStat"),
            ("containers shown", DASHBOARD, rb"shop-web-"),
            ("bare first paint", (sys.executable, "-c", BARE), rb"HemoStat"),
        ):
            with running(command, environ) as shown:
                took = shown.wait_for(re.compile(sign))
            figures[name] = min(took, figures.get(name, took))
    return figures
