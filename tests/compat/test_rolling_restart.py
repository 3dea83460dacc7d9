"""Roles are restarted one after another, on one Redis: the new ones continue the work of the former ones.

The former roles are those of the recorded state. What they did last is as recorded, moved to the present: the
responder had begun to restart `slow` and holds the lease, `api` is paused, `db` waits for an approval.
"""

import json
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import Client, RedisBus
from hemostat.adapters.redis.incident_notes import make_seal_key
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings, load
from hemostat.events import DURABLE, Event, HealthAlert, Outcome, Phase, RemediationComplete, seal
from tests.compat import redis_text
from tests.compat.conftest import Keys
from tests.compat.play import AUDIT_KEY, HOST, SPECS, RecordedParts, wait
from tests.compat.record import FIXTURES, STORE_KEY, STORE_URL, place
from tests.support.lab.command import environ, run

pytestmark = pytest.mark.redis

LEASE_LEFT_SECONDS = 6
TIME = re.compile(r"\b(17959\d{5})(?=\b|\d{3}-\d+\b)")
"""Times of the recorded state, and those in the ids of its entries: seconds since the epoch."""


class EngineClock(SystemClock):
    """The machine's clock, or the past while the engine's containers are made."""

    past: float | None = None

    def now(self) -> float:
        return self.past or super().now()


class WatchedEngine(InMemoryEngine):
    """The containers of the recorded state. Records which containers are started, and when."""

    def __init__(self, clock: EngineClock, keys: Keys) -> None:
        super().__init__(clock)
        self.starts: list[tuple[str, float]] = []
        texts = [fields["event"] for fields in keys["hemostat:health_alert"]["value"]["entries"].values()]
        alerts = [json.loads(text) for text in texts if text.startswith("{")]
        died = {each["data"]["container"]["name"]: each["data"]["since"] for each in alerts}
        for spec in SPECS:
            state = json.loads(keys[f"hemostat:stats:{HOST}:{spec.name}"]["value"])["data"]["state"]
            clock.past = state["started_at"]
            container = self.run(spec)
            if state["status"] == "exited":
                clock.past = died[spec.name]
                self.crash(container, state["exit_code"])
        clock.past = None

    def start(self, container: str) -> None:
        self.starts.append((self.inspect(container).ref.name, time.time()))
        super().start(container)


def move_times(keys: Keys, seconds: int) -> Keys:
    return json.loads(TIME.sub(lambda found: str(int(found[1]) + seconds), json.dumps(keys)))


@pytest.fixture
def present(recorded: Keys) -> Keys:
    """The recorded state as if the former roles had stopped just now."""
    return move_times(recorded, int(time.time() + LEASE_LEFT_SECONDS - lease_of(recorded)["lease"]))


class Site:
    """The recorded Redis and database, an engine in memory, and roles in threads."""

    def __init__(self, client: Client, keys: Keys, url: str, directory: Path) -> None:
        self.raw, self.bus = client.raw, RedisBus(client)
        redis_text.load(self.raw, keys)
        self._give_up_pending(keys)
        for order in self.bus.read_recent("order", 100):
            self.raw.set(make_seal_key(order.host, order.incident), seal(order.data, order.time))
        self.database = directory / "history.db"
        with closing(sqlite3.connect(self.database)) as history:
            history.executescript((FIXTURES / "history.sql").read_text())
        self.database.chmod(0o600)
        key = directory / "audit.key"
        key.write_text(AUDIT_KEY)
        key.chmod(0o600)
        store = f"sqlite:///{self.database}"
        self.raw.rename(STORE_KEY + place(STORE_URL), STORE_KEY + place(store))
        self.env = environ(
            directory,
            HOST=HOST,
            REDIS_URL=url,
            STORE_URL=store,
            RESPONDER_BACKOFF="0.2",
            RESPONDER_VERIFY_FOR="1",
            STORE_AUDIT_KEY_FILE=str(key),
            STORE_AUDIT_SYSLOG="false",
        )
        self.settings: Settings = load(environ=self.env).settings
        self.engine = WatchedEngine(EngineClock(threading.Event()), keys)

    def _give_up_pending(self, keys: Keys) -> None:
        """Former consumers have shown no sign of life for long enough."""
        for name, key in keys.items():
            for group, state in key["value"]["groups"].items() if key["type"] == "stream" else ():
                for entry, consumer, deliveries in state["pending"]:
                    self.raw.xclaim(
                        name, group, consumer, 0, [entry], idle=60_000, retrycount=deliveries, justid=True
                    )

    @contextmanager
    def running(self, role: str, instance: str) -> Iterator[None]:
        stop = threading.Event()
        parts = RecordedParts(self.settings, self.engine)
        thread = threading.Thread(
            target=app.run_role,
            args=(role, self.settings),
            kwargs={"instance": f"{HOST}-{instance}", "stop": stop, "parts": parts},
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def command(self, *arguments: str) -> None:
        done = run(*arguments, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr

    def outcomes(self, container: str) -> list[Outcome]:
        events = self.bus.read_recent("remediation_complete", 1000)
        done = [each.data for each in events if isinstance(each.data, RemediationComplete)]
        return [each.outcome for each in done if each.container.name == container]

    def raised(self) -> list[Event]:
        alerts = self.bus.read_recent("health_alert", 1000)
        return [
            each for each in alerts if isinstance(each.data, HealthAlert) and each.data.phase is Phase.RAISED
        ]

    def stored_ids(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as history:
            return [each for (each,) in history.execute("SELECT id FROM hemostat_events")]


@pytest.fixture
def site(redis_client: Client, redis_url: str, present: Keys, tmp_path: Path) -> Site:
    return Site(redis_client, present, redis_url, tmp_path)


def lease_of(keys: Keys) -> dict[str, Any]:
    """The attempt that the former responder has begun."""
    (attempt,) = keys[f"hemostat:ledger:{HOST}:running"]["value"].values()
    return json.loads(attempt)


def test_new_roles_finish_the_work_of_former_roles_once(site: Site, present: Keys) -> None:
    before = len(site.raised())
    with site.running("analyzer", "2"), site.running("responder", "2"), site.running("responder", "3"):
        wait(lambda: site.outcomes("slow")[-1:] == [Outcome.HEALED])
        ((name, started),) = site.engine.starts
        assert (name, started > lease_of(present)["lease"]) == ("slow", True)
        approvals = map(json.loads, present["hemostat:approvals"]["value"].values())
        (request,) = [each["id"] for each in approvals if each["container"] == "db"]
        site.command("approve", request, "--by", "ann")
        site.command("resume", "--container", "api", "--by", "ann")
        with site.running("alert", "2"):
            with site.running("monitor", "2"):
                wait(lambda: len(site.bus.read_last_values("container_stats")) == len(SPECS))
                site.engine.crash(site.engine.inspect("web").ref.id, 7)
                for name in ("db", "api", "web"):
                    wait(lambda name=name: site.outcomes(name)[-1:] == [Outcome.HEALED])
                wait(lambda: site.outcomes("web").count(Outcome.HEALED) == 3)
            wait(lambda: site.bus.count_lag("store", sorted(DURABLE)) == 0)
    assert sorted(name for name, _ in site.engine.starts) == ["api", "db", "slow", "web"]
    assert [alert.data.container.name for alert in site.raised()[before:]] == ["web"]
    assert {name: site.outcomes(name).count(Outcome.HEALED) for name in ("api", "db", "slow")} == {
        "api": 1,
        "db": 1,
        "slow": 1,
    }
    published = {each.id for stream in DURABLE for each in site.bus.read_recent(stream, 1000)}
    assert published <= set(site.stored_ids())
    assert max(Counter(site.stored_ids()).values()) == 1


def test_new_responder_reports_a_finished_action_and_does_not_repeat_it(site: Site, present: Keys) -> None:
    attempt = lease_of(present)
    with site.running("responder", "2"):
        wait(lambda: site.outcomes("slow") == [Outcome.WAITING])
        finish_as_former_responder(site, attempt)
        wait(lambda: time.time() > attempt["lease"] + 2)
        wait(lambda: len(site.outcomes("slow")) > 1)
    assert site.engine.starts == []
    assert site.outcomes("slow") == [Outcome.WAITING, Outcome.HEALED]


def finish_as_former_responder(site: Site, attempt: dict[str, Any]) -> None:
    """Write what the former version wrote after an action. It is stopped before it publishes the outcome."""
    InMemoryEngine.start(site.engine, attempt["container_id"])
    row = json.dumps({**attempt, "outcome": "healed", "reason": "verified", "finished": time.time()})
    ledger = f"hemostat:ledger:{HOST}"
    site.raw.hset(f"{ledger}:of:{attempt['container']}", attempt["key"], row)
    site.raw.lpush(f"{ledger}:ended", row)
    site.raw.hdel(f"{ledger}:running", attempt["key"])
    site.raw.incr(f"{ledger}:version")
