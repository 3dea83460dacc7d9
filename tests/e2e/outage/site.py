"""Two alert roles, a Redis, a database and a webhook, each a process that can be killed."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect
from hemostat.adapters.sql_store import SqlStore
from hemostat.core.history.event_row import EventQuery
from hemostat.events import DURABLE, Event, Heartbeat
from hemostat.streams import ROLES_BY_NAME, STORE_ROLE
from tests.e2e.outage.account import Heard, Kill
from tests.e2e.outage.databases import Database
from tests.support.engine_fixtures import eventually
from tests.support.lab import command

ALERT = ROLES_BY_NAME["alert"]
ROLES = ("one", "two")
HURRIED = """
import hemostat.adapters.sql_store.connection as connection
import hemostat.agents.notifier.channel_sender as channel_sender
from hemostat.__main__ import main
connection.CONNECT_SECONDS = 1
channel_sender.LEASE_SECONDS, channel_sender.MAX_BACKOFF_SECONDS, channel_sender.POLL_SECONDS = 6.0, 0.2, 0.05
main()
"""
"""The alert role with short waits, for the short test."""


class Site:
    def __init__(self, directory: Path, database: Database, seed: int, *, hurried: bool) -> None:
        self.database = database
        self.kills: list[Kill] = []
        self.env = command.environ(
            directory,
            STORE_URL=database.url,
            ALERT_SLACK_WEBHOOK=f"http://127.0.0.1:{(port := _free())}/services/secret",
            ALERT_PER_MINUTE="100000",
            **({"ALERT_GRACE": "1s"} if hurried else {}),
        )
        self.bus = RedisBus(client := connect(EmbeddedRedis(directory).ensure_running()))
        self._redis = client.raw
        self._program = ["-c", HURRIED] if hurried else ["-m", "hemostat"]
        self._ear = directory / "heard"
        self._ear.touch()
        script = Path(__file__).with_name("webhook.py")
        self._webhook = [str(script), str(port), str(self._ear), str(seed)]
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # --- killing --------------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        """Start the webhook, or a role under the name that it had before it was killed, as the supervisor
        does."""
        if name == "database":
            return self.database.give_back()
        role = [*self._program, "-q", "alert", "--instance", name]
        wrapper, program = ((), self._webhook) if name == "webhook" else (self.database.wrapper, role)
        self._running[name] = subprocess.Popen(
            [*wrapper, sys.executable, *program], env=self.env, stderr=subprocess.DEVNULL
        )
        return None

    def kill(self, name: str) -> None:
        if name == "database":
            anew = self.database.take_away()
            self.kills.append(Kill(time.time(), name))
            for role in [*self._running.keys() & ROLES] if anew else ():
                self.kill(role)
                self.begin(role)
            return
        process = self._running.pop(name)
        process.kill()
        process.wait()
        self.kills.append(Kill(time.time(), "webhook" if name == "webhook" else "role"))

    # --- how it stands --------------------------------------------------------------------------------

    def behind(self) -> int:
        """Return the number of events that are not stored yet."""
        return self.bus.count_lag(STORE_ROLE.make_group_name(""), STORE_ROLE.reads)

    def heard(self) -> list[Heard]:
        return [msgspec.json.decode(line, type=Heard) for line in self._ear.read_bytes().splitlines()]

    def misses_the_database(self, since: float) -> bool:
        """Return whether a role has reported since then (epoch seconds) that the database is unavailable."""
        beats = [event.data for event in self.bus.read_last_values("heartbeat") if event.time >= since]
        return any(isinstance(beat, Heartbeat) and "wait to be stored" in beat.trouble for beat in beats)

    def deliveries(self) -> int:
        """Return how often the oldest event that is delivered to a role and not stored was delivered."""
        rows = [
            self._redis.xpending_range(f"hemostat:{stream}", STORE_ROLE.name, "-", "+", 1)
            for stream in DURABLE
        ]
        return max((row["times_delivered"] for pending in rows for row in pending), default=0)  # type: ignore[union-attr]

    def is_done(self) -> bool:
        """Return whether all events are stored and all messages are delivered."""
        assert all(process.poll() is None for process in self._running.values()), "one has ended by itself"
        untold = self._redis.zcard("hemostat:outbox:slack")
        return not (self.behind() or self.bus.count_lag(ALERT.make_group_name(""), ALERT.reads) or untold)

    def said(self) -> list[Event]:
        return [event for stream in DURABLE for event in self.bus.read_recent(stream, 100_000)]

    def stored(self) -> list[Event]:
        store = SqlStore(self.database.url, time.time, write=False)
        try:
            return [row.event for row in store.find(EventQuery())]
        finally:
            store.close()

    def audit(self) -> str:
        """Return what `hemostat audit verify` finds wrong; empty for nothing."""
        done = command.run("audit", "verify", env=self.env)
        return "" if (done.returncode, done.stderr) == (0, "") else f"{done.stdout}{done.stderr}".strip()

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        self.bus.close()


@contextmanager
def site(database: Database, seed: int, *, hurried: bool) -> Iterator[Site]:
    """Yield the site with all processes running."""
    with tempfile.TemporaryDirectory(prefix="hs-outage-") as directory:
        made = Site(Path(directory), database, seed, hurried=hurried)
        try:
            for name in ("webhook", *ROLES):
                made.begin(name)
            yield made
        finally:
            made.close()
            eventually(EmbeddedRedis(Path(directory)).shut_down_if_unused)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
