"""Provides an engine, a bus and running roles for a demo, and removes them afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from hemostat import app
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings
from hemostat.demo.scenarios import Scenario
from hemostat.demo.simulated import make_faulty_engine
from hemostat.errors import BusUnreachableError, HemoStatError, UsageError
from hemostat.events import Heartbeat
from hemostat.ports import Bus, Clock, Engine, HostProbe, Interrupted, TestContainers
from hemostat.streams import ROLES, ROLES_BY_NAME

if TYPE_CHECKING:
    from hemostat.adapters.redis import EmbeddedRedis

DEMO_LABEL: Final = "hemostat.demo"
OWNER_LABEL: Final = "hemostat.demo.owner"
IMAGE: Final = "hemostat-demo:busybox"
PREFIX: Final = "hemostat-demo-"
POLL_SECONDS: Final = 0.05
END_SECONDS: Final = 10.0
DISK_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two measurements of disk use: the demo `cleanup` must not wait for half a minute."""
NEEDED_ROLES: Final = frozenset({"monitor", "analyzer", "responder"})
"""The roles that remediation needs."""


class UnseenError(HemoStatError):
    """The roles that were already running do not watch the demo's container."""


class DemoStage(msgspec.Struct, frozen=True, kw_only=True):
    engine: Engine
    workshop: TestContainers
    bus: Bus
    clock: Clock
    host: HostProbe = app.UnknownHost()
    """The engine's host, if it is this one."""
    simulated: bool = False
    redis_url: str = ""
    """Address of the stage's own Redis."""
    borrowed: bool = False
    """Whether the roles were already running, and are not the demo's own."""

    def sweep(self) -> None:
        """Remove containers of earlier demos on this host that ended without removing them."""
        for info in self.workshop.find(DEMO_LABEL):
            if _is_orphan(info.ref.labels.get(OWNER_LABEL, "")):
                self.workshop.remove(info.ref.id)


def _sweep_directories() -> None:
    """Remove this user's temporary directories of killed demos, and end the Redis servers in them."""
    from hemostat.adapters.redis import EmbeddedRedis

    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, HemoStatError):
            is_own = directory.lstat().st_uid == os.getuid()
            if is_own and _is_orphan((directory / "owner").read_text()):
                _end_server(EmbeddedRedis(directory / "state"))
                shutil.rmtree(directory)


def _end_server(server: "EmbeddedRedis") -> None:
    """Shut the server down. The roles of a killed demo end with it, and the last may still be ending."""
    deadline = time.monotonic() + END_SECONDS
    while server.is_alive() and not server.shut_down_if_unused() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def make_labels(scenario: Scenario, run: str) -> dict[str, str]:
    """Labels of the scenario's container."""
    return {**scenario.labels, DEMO_LABEL: run, OWNER_LABEL: describe_owner()}


def is_selected(only: str, labels: dict[str, str]) -> bool:
    """Whether a monitor with this setting `monitor.only` watches a container with these labels."""
    key, has_value, value = only.partition("=")
    return not only or (key in labels and (not has_value or labels[key] == value))


def describe_owner() -> str:
    """This process as host, pid and start time, so that another process can check whether it still runs."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_read_start_time(pid)}"


def _is_orphan(label: str) -> bool:
    host, _, process = label.partition(":")
    pid, _, start_time = process.partition(":")
    return host == socket.gethostname() and pid.isdigit() and _read_start_time(int(pid)) != start_time


def _read_start_time(pid: int) -> str:
    """Start time in clock ticks since boot (proc(5), /proc/pid/stat, field 22).

    Empty if there is no such process.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@contextmanager
def open_running_stage(settings: Settings, stop: threading.Event) -> Iterator[DemoStage | None]:
    """A stage with the roles that already run on this host. None if they do not run."""
    with ExitStack() as stack:
        try:
            bus = app.open_bus(settings, start=False)
        except BusUnreachableError:
            yield None
            return
        stack.callback(bus.close)
        if not _find_running_roles(bus, settings.host_name) >= NEEDED_ROLES:
            yield None
            return
        engine, test_containers = _open_engine(stack, settings)
        clock = SystemClock(stop)
        host = app.make_host_probe(engine)
        yield DemoStage(
            engine=engine, workshop=test_containers, bus=bus, clock=clock, host=host, borrowed=True
        )


@contextmanager
def open_own_stage(
    settings: Settings, stop: threading.Event, command: list[str], run: str
) -> Iterator[DemoStage]:
    """A stage with its own roles, which `command` runs, and which watch only its containers."""
    from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect

    clock = SystemClock(stop)
    with ExitStack() as stack:
        engine, test_containers = _open_engine(stack, settings)
        _sweep_directories()
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
        (directory / "owner").write_text(describe_owner())
        embedded = EmbeddedRedis(directory / "state")
        url = embedded.ensure_running()
        stack.callback(embedded.shut_down_if_unused)
        bus = RedisBus(connect(url))
        stack.callback(bus.close)
        environ = _make_environ(settings, directory, url, run)
        log = stack.enter_context((directory / "roles.log").open("wb"))
        process = stack.enter_context(_run_process(command, environ, log))
        while not _find_running_roles(bus, settings.host_name) >= set(ROLES_BY_NAME):
            if process.poll() is not None:
                text = (directory / "roles.log").read_text(errors="replace").strip()
                raise HemoStatError(f"the roles of the demo did not start: {text}")
            clock.sleep(POLL_SECONDS)
        host = app.make_host_probe(engine)
        yield DemoStage(
            engine=engine, workshop=test_containers, bus=bus, clock=clock, host=host, redis_url=url
        )


@contextmanager
def open_simulated_stage(settings: Settings, stop: threading.Event) -> Iterator[DemoStage]:
    """A stage with the same roles in threads, on an engine in memory."""
    monitor = msgspec.structs.replace(settings.monitor, disk_interval=DISK_INTERVAL_SECONDS)
    settings = msgspec.structs.replace(settings, monitor=monitor)
    clock = SystemClock(stop)
    engine = make_faulty_engine(clock)
    parts = app.SimulatedBackends(engine)
    stop_roles = threading.Event()
    threads = [
        threading.Thread(target=_run_quietly, args=(role.name, settings, stop_roles, parts)) for role in ROLES
    ]
    for thread in threads:
        thread.start()
    try:
        while not _find_running_roles(parts.bus, settings.host_name) >= set(ROLES_BY_NAME):
            clock.sleep(POLL_SECONDS)
        yield DemoStage(engine=engine, workshop=engine, bus=parts.bus, clock=clock, simulated=True)
    finally:
        stop_roles.set()
        engine.close()
        for thread in threads:
            thread.join()


def _run_quietly(name: str, settings: Settings, stop: threading.Event, parts: app.Backends) -> None:
    try:
        app.run_role(name, settings, instance="simulated", stop=stop, parts=parts)
    except Interrupted:
        return


def _open_engine(stack: ExitStack, settings: Settings) -> tuple[Engine, TestContainers]:
    """The real engine, with the demo's image on it."""
    from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers

    engine = DockerEngine.connect(**app.make_engine_address(settings), label=DEMO_LABEL)
    stack.callback(engine.close)
    test_containers = DockerTestContainers(engine)
    busybox = shutil.which("busybox")
    if busybox is None:
        raise UsageError(
            "the demo's image needs a static busybox, and PATH has none",
            hint="apt-get install busybox-static, or add --simulate",
        )
    test_containers.make_image(IMAGE, busybox)
    return engine, test_containers


def _find_running_roles(bus: Bus, host: str) -> set[str]:
    """Roles with a heartbeat that has not expired: from this host those that use its engine, and the others
    from anywhere."""
    return {
        event.data.role
        for event in bus.read_last_values("heartbeat")
        if isinstance(event.data, Heartbeat)
        and event.data.role in ROLES_BY_NAME
        and (event.host == host or not ROLES_BY_NAME[event.data.role].per_host)
    }


def _make_environ(settings: Settings, directory: Path, redis_url: str, run: str) -> dict[str, str]:
    """Environment of the demo's roles: default settings whatever the user has configured, except for
    the engine.
    """
    config = directory / "hemostat.toml"
    config.touch()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEMOSTAT_")}
    own = {
        "CONFIG": str(config),
        "HOST": settings.host_name,
        "STATE_DIR": str(directory / "state"),
        "REDIS_URL": redis_url,
        **{f"ENGINE_{key.upper()}": value for key, value in msgspec.structs.asdict(settings.engine).items()},
        "MONITOR_ONLY": f"{DEMO_LABEL}={run}",
        "MONITOR_DISK_INTERVAL": str(DISK_INTERVAL_SECONDS),
        "RESPONDER_BACKOFF": "0.2",
    }
    return {**inherited, **{f"HEMOSTAT_{name}": value for name, value in own.items()}}


@contextmanager
def _run_process(
    command: list[str], environ: dict[str, str], log: BinaryIO
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
