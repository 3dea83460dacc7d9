"""Faults that need an environment of their own: hostile messages, a full disk, a restarted engine, a wrong
clock."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import (
    Client,
    EmbeddedRedis,
    RedisBus,
    RedisControls,
    RedisEvidence,
    RedisLedger,
    connect,
)
from hemostat.agents.responder import Responder, ResponderDependencies
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    DURABLE,
    Action,
    Event,
    HealthAlert,
    Kind,
    RemediationNeeded,
    Severity,
    incident_id,
)
from hemostat.ports import ContainerSpec, Defer, RunInBackground
from tests.e2e.faults.account import Happening, Row, account
from tests.e2e.faults.rows import BUDGET, Size, told
from tests.e2e.faults.site import site
from tests.support.clock import FakeClock
from tests.support.lab.image import provide_image
from tests.support.lab.private_engine import PrivateEngine
from tests.support.lab.waiting import wait_until
from tests.support.samples import DIAGNOSIS, complete, event, heartbeat, name_source, needed, stats

HOUR = 3600.0
DISK = 24 << 20

# --- hostile messages -----------------------------------------------------------------------------------


def hostile() -> list[bytes]:
    """Return messages that are each invalid or unexpected in another way."""
    whole = msgspec.json.encode(event(needed()))
    return [
        b"",
        b"null",
        b"[]",
        b"{",
        whole[: len(whole) // 2],
        whole.replace(b'"version":1', b'"version":99'),
        whole.replace(b'"version":1', b'"version":"1"'),
        whole.replace(b'"remediation_needed"', b'"format_disk"'),
        whole.replace(b'"action":"restart"', b'"action":"rm -rf /"'),
        whole.replace(b'"since":1795480000.0', b'"since":1e999'),
        whole.replace(b'"since":1795480000.0', b'"since":"yesterday"'),
        whole.replace(b'"id":"c1"', b'"id":"../../images/prune?all=1#"'),
        whole.replace(b'"name":"web"', b'"name":"\\u001b[2J\\u0000; reboot #"'),
        whole.replace(b'"incident":"i1"', b'"incident":null'),
        b"[" * 100_000,
        b"\xff\xfe\x00" * 100,
        msgspec.json.encode(event(heartbeat())),
        msgspec.json.encode(event(stats())),
        msgspec.json.encode(event(complete())),
    ]


def hostile_messages(size: Size) -> Row:
    """Write hostile messages to every stream while containers crash. A few exceed the maximum size of a
    message."""
    with site(size.containers) as at:
        at.begin()
        words, raw = hostile(), at.redis.raw
        for number in range(size.hostile):
            word = b"x" * 300_000 if number % 250 == 0 else words[number % len(words)]
            with raw.pipeline(transaction=False) as batch:
                for stream in DURABLE:
                    batch.xadd(f"hemostat:{stream}", {"event": word} if number % 7 else {"junk": word})
                batch.execute()
            if number % (size.hostile // size.crashes) == 0:
                at.crash_for(1, 0.0)
        ended = time.time()
        row = told(at, f"{size.hostile:,} hostile messages on every stream", ended)
    return msgspec.structs.replace(row, note=f"{row.note}, all dealt with in {time.time() - ended:.0f} s")


# --- a full disk ----------------------------------------------------------------------------------------


@contextmanager
def small_disk(directory: Path) -> Iterator[Callable[[bool], None]]:
    """Mount a small file system in the directory. Yields a function that fills it or frees it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", directory], check=True)
    ballast = directory / "ballast"

    def fill(full: bool) -> None:
        if full:
            subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4k"], check=False, capture_output=True)
        else:
            ballast.unlink()

    try:
        yield fill
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def full_disk(size: Size) -> Row:
    """Fill the disk of the state directory. The log of `hemostat all` is on it, too."""
    with (
        tempfile.TemporaryDirectory(prefix="hs-disk-") as place,
        small_disk(Path(place)) as fill,
        site(size.containers, directory=Path(place)) as at,
    ):
        at.begin()
        fill(True)
        at.crash_for(size.crashes, 0.5, size.frozen)
        fill(False)
        return told(at, "the disk of Redis full", time.time())


# --- an engine that restarts ------------------------------------------------------------------------------


def restarted_engine(size: Size) -> Row:
    """Stop and kill the engine. Its containers continue to run (live-restore), and some crash while it is
    down."""
    engine = PrivateEngine("--live-restore", "--storage-driver=vfs")
    with closing(engine):
        provide_image(engine.url)
        with site(size.containers, docker_url=engine.url) as at:
            at.begin(ENGINE_URL=engine.url)
            for number in (signal.SIGTERM, signal.SIGKILL):
                at.crash_for(size.crashes // 2, 0.2, 20)
                at.settle()
                at.remember()
                engine.kill(number)
                at.crash_unseen(2)
                wait_until(engine.is_reachable, "the engine is back")
                back = time.time()
                at.listen()
                wait_until(at.all_run, "all run")
            return told(at, "the engine restarted: ended, then killed", back)


# --- a clock that is set back -------------------------------------------------------------------------------


def clock_set_back(_: Size) -> Row:
    """Set the clock of a responder back. The ledger is in a real Redis, the engine is in memory, and the
    clock is a fake: the clock of a process cannot be set without that of the machine."""
    with tempfile.TemporaryDirectory(prefix="hs-clock-") as place:
        redis = EmbeddedRedis(Path(place))
        client = connect(redis.ensure_running())
        try:
            return _Clockwork(client).play()
        finally:
            client.close()
            redis.shut_down_if_unused()


class _Clockwork:
    def __init__(self, redis: Client) -> None:
        self.clock = FakeClock()
        self.engine = InMemoryEngine(self.clock)
        self.web = self.engine.run(ContainerSpec(name="web", image="x", command=("x",), labels={}))
        self.bus = RedisBus(redis)
        self.events: list[Event] = []
        self.deaths: list[Happening] = []
        self.starts: list[Happening] = []
        limits = ResponderSettings(budget=BUDGET, backoff=10.0, verify_for=1.0)
        self.responder = Responder(
            ResponderDependencies(
                engine=self.engine,
                sampler=self.engine,
                ledger=RedisLedger(redis),
                control_store=RedisControls(redis),
                evidence_store=RedisEvidence(redis),
                clock=self.clock,
                limits=limits,
                host="h",
                source="responder@1",
                host_memory=1 << 30,
            )
        )

    def play(self) -> Row:
        longest = 0.0
        for occurrence in range(1, BUDGET + 3):
            longest = max(longest, self._crash(occurrence))
            if occurrence == 2:
                self.clock.time -= HOUR
        note = f"by {HOUR:.0f} s; longest wait {longest:.0f} s"
        row = account(
            "the clock set back", self.deaths, self.events, self.starts, ended=0.0, budget=BUDGET, note=note
        )
        return msgspec.structs.replace(row, recovered=round(longest, 1))

    def _step(self, event: Event, reported: Sequence[str]) -> list[Event] | Defer:
        result = self.responder.step(event, self.clock.now(), reported)
        return result.work(self.clock.now()) if isinstance(result, RunInBackground) else result

    def _crash(self, occurrence: int) -> float:
        """Crash the container once, and handle the crash. Returns the seconds for which the responder has
        waited. If the responder has not started the container, it is started here."""
        self.engine.crash(self.web, 7)
        died = self.clock.now()
        self.deaths.append(Happening(died, self.web, "die"))
        alert = HealthAlert(
            container=self.engine.inspect(self.web).ref,
            kind=Kind.EXITED,
            severity=Severity.CRITICAL,
            since=died,
            occurrence=occurrence,
        )
        incident = incident_id("h", self.web, Kind.EXITED, 0.0)
        request = RemediationNeeded(alert=alert, action=Action.RESTART, diagnosis=DIAGNOSIS)
        told = [
            Event.make(each, time=died, host="h", source=name_source(each), incident=incident)
            for each in (alert, request)
        ]
        self.bus.publish(told[:1])
        self.events.append(told[0])
        waited, reported = 0.0, [""]
        while isinstance(result := self._step(told[1], reported), Defer):
            self.events += result.outputs
            reported.append(result.reported)
            waited += result.until - self.clock.now()
            self.clock.time = result.until
        self.events += result
        if self.engine.inspect(self.web).is_running:
            self.starts.append(Happening(self.clock.now(), self.web, "start"))
        else:
            self.engine.start(self.web)
        self.clock.advance(1.0)
        return waited
