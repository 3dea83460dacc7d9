"""The faults, one function each: break something while containers crash, and return the result."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hemostat.adapters.redis import EmbeddedRedis
from tests.e2e.faults.account import Row, account
from tests.e2e.faults.site import Site, site
from tests.support.lab.waiting import wait_until
from tests.support.proxy import Proxy

UNLIMITED = 100_000
BUDGET = 3


class Size(msgspec.Struct, frozen=True):
    """The size of a run. `kills`: crashes where processes are killed. `crashes`: crashes in other faults.
    `frozen`: seconds for which a process is frozen. `hostile`: number of hostile messages."""

    kills: int
    crashes: int
    frozen: float
    hostile: int
    containers: int


SHORT = Size(kills=12, crashes=4, frozen=6.0, hostile=500, containers=6)
FULL = Size(kills=100, crashes=20, frozen=10.0, hostile=10_000, containers=12)


@contextmanager
def repeatedly(work: Callable[[], None], every: float) -> Iterator[None]:
    """Do the work repeatedly in another thread until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def told(
    at: Site,
    fault: str,
    ended: float,
    *,
    budget: int = UNLIMITED,
    running: bool = True,
    patience: float = 90.0,
) -> Row:
    note = at.settle(running=running, seconds=patience)
    waiting = at.waiting()
    dead = int(at.redis.raw.xlen("hemostat:dead"))  # type: ignore[arg-type]
    notes = [each for each in (note, f"{dead} dead letters" if dead else "") if each]
    return account(
        fault,
        at.deaths,
        at.events(),
        [each for each in at.happened if each.time > at.begun],
        ended=ended,
        budget=budget,
        waiting=waiting,
        shown=at.shown(),
        note=", ".join(notes),
    )


def killed_roles(size: Size) -> Row:
    killed: list[int] = []

    def kill() -> None:
        if pids := at.roles():
            killed.append(victim := at.random.choice(pids))
            os.kill(victim, signal.SIGKILL)

    with site(size.containers) as at:
        at.begin()
        with repeatedly(kill, 2.0):
            at.crash_for(size.kills, 0.5)
        row = told(at, "a role killed every 2 s", time.time())
    return msgspec.structs.replace(row, note=f"{len(killed)} kills {row.note}".strip())


def killed_redis(size: Size) -> Row:
    with site(size.containers) as at:
        at.begin()
        with repeatedly(lambda: os.kill(at.redis_pid, signal.SIGKILL), 4.0):
            at.crash_for(2 * size.crashes, 0.5)
        return told(at, "Redis killed every 4 s", time.time())


def frozen_redis(size: Size) -> Row:
    with site(size.containers) as at:
        at.begin()
        at.crash_for(size.crashes // 2, 0.0)
        pid = at.redis_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            frozen_until = time.monotonic() + size.frozen
            at.crash_for(size.crashes, 0.1, size.frozen - 1)
            time.sleep(max(0.0, frozen_until - time.monotonic()))
        finally:
            os.kill(pid, signal.SIGCONT)
        row = told(at, f"Redis frozen for {size.frozen:g} s", time.time())
        return msgspec.structs.replace(row, note=f"{row.note} {_redises(at)}".strip())


def _redises(at: Site) -> str:
    """Return a note if more than one Redis server uses the same socket file; empty otherwise."""
    needle = str(at.directory / "redis.sock").encode()
    pids = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _names(path, needle)]
    return "" if len(pids) == 1 else f"{len(pids)} SERVERS"


def _names(path: Path, needle: bytes) -> bool:
    try:
        return needle in path.read_bytes() and b"redis-server" in path.read_bytes()
    except OSError:
        return False


def cut_engine(size: Size) -> Row:
    with site(size.containers) as at:
        gate = Proxy(at.directory / "engine.sock")
        at.begin(ENGINE_URL=gate.url)
        for _ in range(2):
            gate.cut()
            at.crash_for(size.crashes // 2, 0.5, 10)
            gate.open()
            at.crash_for(size.crashes // 2, 0.1, 10)
        return told(at, "the way to the engine cut twice", time.time())


def frozen_engine(size: Size) -> Row:
    with site(size.containers) as at:
        gate = Proxy(at.directory / "engine.sock")
        at.begin(ENGINE_URL=gate.url)
        gate.freeze()
        until = time.monotonic() + size.frozen
        at.crash_for(size.crashes, 0.3, size.frozen)
        time.sleep(max(0.0, until - time.monotonic()))
        gate.thaw()
        return told(at, f"the engine silent for {size.frozen:g} s", time.time())


def _behind_gate(at: Site) -> Proxy:
    EmbeddedRedis(at.directory).ensure_running()
    return Proxy(at.directory / "gate.sock", str(at.directory / "redis.sock"))


def cut_network(size: Size) -> Row:
    with site(size.containers) as at:
        gate = _behind_gate(at)
        at.begin(REDIS_URL=gate.url)
        for _ in range(max(2, size.crashes // 4)):
            gate.cut()
            at.crash_for(2, 0.3, 5)
            gate.open()
            at.crash_for(2, 0.0, 5)
        return told(at, "the network to Redis cut again and again", time.time())


def frozen_network(size: Size) -> Row:
    with site(size.containers) as at:
        gate = _behind_gate(at)
        at.begin(REDIS_URL=gate.url)
        at.crash_for(size.crashes // 2, 0.0)
        gate.freeze()
        until = time.monotonic() + size.frozen
        at.crash_for(size.crashes, 0.1, size.frozen)
        time.sleep(max(0.0, until - time.monotonic()))
        gate.cut()
        gate.thaw()
        gate.open()
        return told(at, f"the network to Redis silent for {size.frozen:g} s, then cut", time.time())


def paused(size: Size) -> Row:
    """Pause all remediation. Containers that crash stay down and are shown, although all roles are killed,
    too."""
    with site(size.containers) as at:
        at.begin()
        at.command("pause", "--reason", "nobody touches anything")
        at.crash_for(min(size.crashes, size.containers), 0.0)
        for pid in (killed := at.roles()):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(at.roles()) - {*killed}) == len(killed), "the roles are back")
        return told(at, "paused, and all roles killed", time.time(), running=False, patience=10)


@contextmanager
def responders(at: Site, count: int) -> Iterator[None]:
    """Start further responders, each under a name of its own."""
    made = []
    with (at.directory / "all.log").open("ab") as log:
        for number in range(count):
            command = [sys.executable, "-m", "hemostat", "respond", "--instance", f"r{number}"]
            made.append(subprocess.Popen(command, env=at.env, stdout=log, stderr=log))
    try:
        yield
    finally:
        for each in made:
            each.terminate()
        for each in made:
            each.wait(30)


def ten_responders(size: Size) -> Row:
    with site(size.containers) as at:
        at.begin()
        with responders(at, 9):
            at.crash_for(2 * size.crashes, 0.0)
            return told(at, "ten responders on one stream", time.time())


def spent_budget(size: Size) -> Row:
    """Run ten responders, and crash containers more often than the budget allows restarts. A container that
    is not restarted is started here."""
    with site(2) as at:
        at.begin(RESPONDER_BUDGET=str(BUDGET))
        with responders(at, 9):
            for container in at.containers:
                for _ in range(BUDGET + 1):
                    _crash_when_it_runs(at, container)
            row = told(at, f"ten responders, a budget of {BUDGET}", time.time(), budget=BUDGET, running=False)
    return row


def _crash_when_it_runs(at: Site, container: str) -> None:
    deadline = time.monotonic() + 30
    while not at.crash(container) and time.monotonic() < deadline:
        time.sleep(0.1)
