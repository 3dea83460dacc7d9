"""Alerts a second through analyzer, responder and alert, and how long a hop takes at half of that.

Redis is real; the engine is in memory and the responder rehearses, so that neither bounds what is measured.
Every role is a process. A hop is from an event's time to the time of the one that answers it. The monitor's
own hop begins at the engine: `crash` and `scale` measure it.
"""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Redis, Settings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Event, HealthAlert, Kind, Severity, incident_id
from hemostat.ports import ContainerSpec, Engine, Sampler
from hemostat.streams import ROLES_BY_NAME

COUNTS = (1, 2, 4)
ALERTS = 6000
SECONDS = 4.0
"""Seconds for which alerts come at half of the greatest rate."""
PATIENTS = 50
BURST = 0.005
HOST = "bench"
ROLES = ("analyzer", "responder", "alert")
HOPS = {
    "request": ("health_alert", "remediation_needed"),
    "outcome": ("remediation_needed", "remediation_complete"),
}
"""By name of the hop: the type of the event, and the type of the event that follows it."""


def _ward(clock: SystemClock) -> InMemoryEngine:
    """The same crashed containers, with the same ids, in every process."""
    engine = InMemoryEngine(clock)
    for number in range(PATIENTS):
        spec = ContainerSpec(name=f"web-{number}", image="x", command=("x",), labels={})
        engine.crash(engine.run(spec))
    return engine


class Rehearsal(app.RealBackends):
    def get_engine(self) -> tuple[Engine, Sampler]:
        made = _ward(SystemClock(threading.Event()))
        return made, made


def serve(role: str, instance: str, url: str, state: str) -> None:
    """One role, in a process of its own, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    limits = ResponderSettings(mode="dry-run")
    settings = Settings(host=HOST, state_dir=state, redis=Redis(url=url), responder=limits)
    app.run_role(role, settings, instance=instance, stop=stop, parts=Rehearsal(settings))


@contextmanager
def _roles(count: int, url: str, state: str) -> Iterator[None]:
    """Run `count` analyzers and responders, and one alert role: two would send notifications in any order."""
    names = ["analyzer"] * count + ["responder"] * count + ["alert"]
    program = "import sys; from tests.bench.pipeline import serve; serve(*sys.argv[1:])"
    made = [
        subprocess.Popen([sys.executable, "-c", program, name, f"{name}-{number}", url, state])
        for number, name in enumerate(names)
    ]
    try:
        yield
    finally:
        for each in made:
            each.terminate()
        for each in made:
            each.wait(20)


def _alerts(engine: InMemoryEngine, begin: int, count: int) -> list[Event]:
    infos, now, events = engine.inspect_everything(), time.time(), []
    for number in range(begin, begin + count):
        ref = infos[number % PATIENTS].ref
        data = HealthAlert(container=ref, kind=Kind.EXITED, severity=Severity.CRITICAL, since=now)
        name = incident_id(HOST, ref.id, Kind.EXITED, float(number))
        events.append(Event.make(data, time=now, host=HOST, source="monitor@bench", incident=name))
    return events


def _lag(bus: RedisBus) -> int:
    return sum(
        bus.count_lag(ROLES_BY_NAME[name].make_group_name(HOST), ROLES_BY_NAME[name].reads) for name in ROLES
    )


def _await_quiet(bus: RedisBus) -> None:
    while _lag(bus):
        time.sleep(0.02)


def _flood(bus: RedisBus, engine: InMemoryEngine) -> float:
    """Return the alerts a second when all alerts arrive at the same time."""
    events = _alerts(engine, 0, ALERTS)
    began = time.monotonic()
    for start in range(0, ALERTS, 500):
        bus.publish(events[start : start + 500])
    _await_quiet(bus)
    return ALERTS / (time.monotonic() - began)


def _steady(bus: RedisBus, engine: InMemoryEngine, rate: float) -> dict[str, list[float]]:
    """Return the seconds of every hop by its name, at this rate of alerts a second."""
    sent, began = 0, time.monotonic()
    while (elapsed := time.monotonic() - began) < SECONDS:
        due = int(elapsed * rate) - sent
        if due > 0:
            bus.publish(_alerts(engine, ALERTS + sent, due))
            sent += due
        time.sleep(BURST)
    _await_quiet(bus)
    return {name: _delays(bus, *streams, sent) for name, streams in HOPS.items()}


def _delays(bus: RedisBus, asking: str, answering: str, sent: int) -> list[float]:
    asked = {event.id: event.time for event in bus.read_recent(asking, sent)}
    answers = bus.read_recent(answering, sent)
    return [event.time - asked[event.cause] for event in answers if event.cause in asked]


def _one(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="hs-pipe-") as directory:
        embedded = EmbeddedRedis(Path(directory))
        client = connect(embedded.ensure_running())
        bus, engine = RedisBus(client), _ward(SystemClock(threading.Event()))
        with _roles(count, embedded.url, directory):
            while len(bus.read_last_values("heartbeat")) < 2 * count + 1:
                time.sleep(0.05)
            rate = _flood(bus, engine)
            hops = _steady(bus, engine, rate / 2)
        client.close()
        embedded.shut_down_if_unused()
    figures = {"rate": rate}
    for name, delays in hops.items():
        cuts = quantiles(delays, n=100)
        figures |= {f"{name} p50": cuts[49], f"{name} p99": cuts[98]}
    return figures


def measure(counts: Sequence[int] = COUNTS) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in counts:
        figures |= {f"{count} {name}": value for name, value in _one(count).items()}
    return figures
