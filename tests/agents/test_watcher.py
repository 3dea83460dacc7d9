"""The monitor's loop, on an engine and a bus in memory."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator

import pytest

from hemostat import app
from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.system_clock import SystemClock
from hemostat.agents.monitor import Monitor, lister
from hemostat.core.detection import container_list
from hemostat.core.model import ContainerInfo, Disconnected, ListedContainer, Listing, Observation
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import (
    BusUnreachableError,
    EngineError,
    EngineForbiddenError,
    EngineTimeoutError,
)
from hemostat.events import Event, Heartbeat, encode
from hemostat.heartbeat import HeartbeatSender
from hemostat.ports import ContainerSpec
from hemostat.watcher import BEHIND_WARNING, Watcher
from tests.support.engine_fixtures import eventually

TUNED = MonitorSettings(interval=0.02, disk_interval=0.02)


class Watch:
    """A watcher in a thread; it can be ended and started again on the same engine and bus."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.clock = SystemClock(self.stop)
        self.engine = InMemoryEngine(self.clock)
        self.bus = InMemoryBus(self.clock)
        self.cpu_time: Callable[[], float] = float

    def read_cpu_time(self) -> float:
        return self.cpu_time()

    def start(self, monitor: type[Monitor] = Monitor) -> None:
        self.stop.clear()
        self.engine._closed = False
        made = monitor(self.engine, self.engine, TUNED, host="h", source="monitor@1", host_memory=1 << 30)
        watcher = Watcher(
            made,
            engine=self.engine,
            sampler=self.engine,
            host_probe=app.UnknownHost(),
            bus=self.bus,
            clock=self.clock,
            heartbeat=HeartbeatSender(
                "monitor", bus=self.bus, clock=self.clock, host="h", instance="1", pid=1
            ),
            state_key="monitor:h",
            thresholds=TUNED,
            stop=self.stop,
            cpu_time=self.read_cpu_time,
        )
        self.thread = threading.Thread(target=watcher.run)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join()

    def make(self, name: str = "web", **labels: str) -> str:
        container = self.engine.run(
            ContainerSpec(
                name=name, image="x", command=("x",), labels={f"hemostat.{k}": v for k, v in labels.items()}
            )
        )
        eventually(
            lambda: (
                name in {event.data.container.name for event in self.bus.read_last_values("container_stats")}
            )
        )
        return container

    def alerts(self) -> list[Event]:
        return self.bus.read_recent("health_alert", 100)


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    yield watch
    watch.end()


def test_crash_is_published_as_an_alert(watch):
    watch.engine.crash(watch.make())
    eventually(watch.alerts)
    assert [event.data.kind for event in watch.alerts()] == ["exited"]


def test_large_writable_layer_is_published(watch):
    watch.engine.write(watch.make(disk="1MiB"), size=2 << 20)
    eventually(watch.alerts)
    assert [event.data.kind for event in watch.alerts()] == ["disk_high"]


def test_events_during_an_engine_outage_are_published_later(watch):
    web = watch.make()
    watch.engine.disconnect()
    with watch.engine._changed:
        watch.engine._die(watch.engine._boxes[web], 1)
    watch.engine.reconnect()
    eventually(watch.alerts)
    # Found by listing and told by the engine's memory as well, it is one death.
    watch.engine.crash(watch.make("other"))
    eventually(lambda: len(watch.alerts()) > 1)
    assert [event.data.container.name for event in watch.alerts()] == ["web", "other"]


@pytest.mark.parametrize("source", ["sample", "events"])
def test_unexpected_error_of_a_source_is_retried(watch, source, monkeypatch):
    watch.end()
    asked = getattr(watch.engine, source)

    def fail_once(*arguments: object) -> object:
        monkeypatch.setattr(watch.engine, source, asked)
        raise OSError("no such device")

    monkeypatch.setattr(watch.engine, source, fail_once)
    watch.start()
    watch.engine.crash(watch.make())
    eventually(watch.alerts)


def test_refused_list_is_retried(watch, monkeypatch):
    web = watch.make(disk="1MiB")
    watch.end()
    listing = watch.engine.list_containers

    def refuse_once() -> list[ListedContainer]:
        monkeypatch.setattr(watch.engine, "list_containers", listing)
        raise EngineError("list containers: layer does not exist")

    monkeypatch.setattr(watch.engine, "list_containers", refuse_once)
    watch.start()
    watch.engine.write(web, size=2 << 20)
    eventually(watch.alerts)


def test_restarted_monitor_resumes_its_state(watch):
    first, second = watch.make("first"), watch.make("second")
    watch.engine.crash(first)
    eventually(watch.alerts)
    watch.end()
    watch.engine.crash(second)
    watch.start()
    eventually(lambda: len(watch.alerts()) > 1)
    assert [event.data.container.name for event in watch.alerts()] == ["first", "second"]


@pytest.mark.parametrize("memo", [b'{"cursor": 1}', b"", b"\xff", b"[" * 100_000, b'"\xff"', b"9" * 5000])
def test_unreadable_monitor_state_is_ignored(watch, memo):
    watch.end()
    watch.bus.publish([], state=("monitor:h", memo))
    watch.start()
    watch.engine.crash(watch.make())
    eventually(watch.alerts)


def test_alert_waits_for_the_bus(watch):
    web = watch.make()
    publish, failures = watch.bus.publish, [BusUnreachableError("gone")] * 4

    def flaky(events, **options) -> None:
        if failures and events:
            raise failures.pop()
        publish(events, **options)

    watch.bus.publish = flaky
    watch.engine.crash(web)
    eventually(watch.alerts)
    assert not failures


class Clumsy(Monitor):
    """Fails on the first death it sees."""

    def step(self, observation: Observation, now: float) -> list[Event]:
        if getattr(observation, "action", "") == "die" and observation.container.name == "cursed":
            raise ValueError("a bug")
        return super().step(observation, now)


def test_failing_observation_does_not_end_the_loop(watch):
    watch.end()
    watch.start(Clumsy)
    watch.engine.crash(watch.make("cursed"))
    watch.engine.crash(watch.make("web"))
    eventually(lambda: any(event.data.container.name == "web" for event in watch.alerts()))


def test_failed_sampling_is_retried(watch):
    web = watch.make()
    sample, failures = watch.engine.sample, [EngineError("busy")] * 3

    def flaky(containers: list[ContainerInfo], now: float):
        if failures:
            raise failures.pop()
        return sample(containers, now)

    watch.engine.sample = flaky
    watch.engine.spin(web, 0.5)
    eventually(lambda: not failures and watch.bus.read_last_values("container_stats")[0].data.cpu)


def test_heartbeat_reports_the_lost_engine(watch):
    def troubles() -> set[str]:
        return {
            event.data.trouble
            for event in watch.bus.read_last_values("heartbeat")
            if isinstance(event.data, Heartbeat)
        }

    eventually(lambda: troubles() == {""})
    watch.engine.disconnect()
    eventually(lambda: "the simulated engine is stopped" in troubles())
    watch.engine.reconnect()


def test_heartbeat_contains_the_number_of_samples(watch):
    watch.make()

    def counted() -> dict[tuple[str, ...], int]:
        return {
            figure.labels: figure.value
            for beat in watch.bus.read_last_values("heartbeat")
            for figure in beat.data.figures
        }

    eventually(lambda: counted().get(("h",), 0) > 1)


def test_hanging_list_does_not_delay_events(watch, monkeypatch):
    web = watch.make()
    watch.end()
    listing, hanging = watch.engine.list_containers, threading.Event()

    def hang() -> list[ListedContainer]:
        hanging.wait(20)
        return listing()

    monkeypatch.setattr(watch.engine, "list_containers", hang)
    watch.start()
    watch.engine.crash(web)
    eventually(watch.alerts)
    hanging.set()


def test_refused_list_is_a_trouble_of_the_monitor(watch, monkeypatch):
    watch.end()
    forbidden = EngineForbiddenError(
        "list containers: the proxy forbids GET /containers/json", hint="allow it"
    )

    def refuse() -> list[ListedContainer]:
        raise forbidden

    monkeypatch.setattr(watch.engine, "list_containers", refuse)
    watch.start()
    eventually(
        lambda: str(forbidden) in [beat.data.trouble for beat in watch.bus.read_last_values("heartbeat")]
    )


def test_containers_are_listed_without_events(watch, monkeypatch):
    web = watch.make()
    watch.end()
    watch.bus.publish_live(watch.bus.read_last_values("container_stats"), ttl=0)
    monkeypatch.setattr(lister, "FIRST_LIST_SECONDS", 0.01)
    monkeypatch.setattr(watch.engine, "events", lambda _since: iter([Disconnected("forbidden")]))
    watch.start()
    eventually(
        lambda: [event.data.container.id for event in watch.bus.read_last_values("container_stats")] == [web]
    )


def test_uninspectable_container_is_a_trouble(watch, monkeypatch):
    watch.make("bad")
    watch.make("good")
    watch.end()
    inspect = watch.engine.inspect

    def hang(container: str) -> ContainerInfo:
        info = inspect(container)
        if info.ref.name == "bad":
            raise EngineTimeoutError("inspect bad: the Docker Engine took too long")
        return info

    monkeypatch.setattr(watch.engine, "inspect", hang)
    watch.start()
    told = ("", ("cannot inspect bad: the Docker Engine took too long",))
    eventually(
        lambda: (
            told
            in [(beat.data.trouble, beat.data.warnings) for beat in watch.bus.read_last_values("heartbeat")]
        )
    )


def test_removed_container_leaves_the_last_values_at_once(watch):
    web = watch.make()
    watch.engine.remove(web)
    eventually(lambda: not watch.bus.read_last_values("container_stats"), seconds=2)


def beat(watch: Watch) -> Heartbeat:
    eventually(lambda: watch.bus.read_last_values("heartbeat"))
    return next(event.data for event in watch.bus.read_last_values("heartbeat"))


def test_sampler_error_does_not_stop_alerts(watch, monkeypatch):
    watch.end()

    def explode(*_: object) -> list[object]:
        raise OverflowError("int too large to convert to float")

    monkeypatch.setattr(watch.engine, "sample", explode)
    watch.start()
    watch.engine.crash(watch.make())
    eventually(watch.alerts)
    eventually(lambda: beat(watch).warnings)
    assert beat(watch).warnings == (
        "reading samples fails: OverflowError: int too large to convert to float; details are in the log",
    )


def test_failing_list_is_a_trouble_until_it_succeeds(watch, monkeypatch):
    watch.end()
    step = Monitor.step
    broken = [True]

    def explode(monitor: Monitor, observation: Observation, now: float) -> list[Event]:
        if isinstance(observation, Listing) and broken:
            raise OverflowError("math range error")
        return step(monitor, observation, now)

    monkeypatch.setattr(Monitor, "step", explode)
    watch.start()
    eventually(lambda: beat(watch).trouble)
    assert beat(watch).trouble == "no container is watched: OverflowError: math range error"
    broken.clear()
    eventually(lambda: not beat(watch).trouble)


def test_heartbeat_is_bounded_in_size(watch):
    made = HeartbeatSender("monitor", bus=watch.bus, clock=watch.clock, host="h", instance="2", pid=2)
    made.send("x" * 300_000, 0, tuple(f"{number} \ud800 {'y' * 300_000}" for number in range(300)))
    (event,) = [each for each in watch.bus.read_last_values("heartbeat") if each.data.instance == "2"]
    assert len(encode(event)) < 30_000
    assert event.data.warnings[-1] == "and 280 more warnings"


def test_readable_part_of_the_monitor_state_is_restored(watch):
    """A crash while no monitor runs is reported from the readable part of the previous monitor's state."""
    web, other = watch.make("web"), watch.make("other")
    watch.engine.crash(other)
    eventually(watch.alerts)
    watch.end()
    memo = json.loads(watch.bus.load_state("monitor:h"))
    (incident,) = memo["past"]["incidents"]
    memo["past"]["incidents"] = [{**incident, "window": None}]
    memo["past"]["deaths"] = {"x": None, **memo["past"]["deaths"]}
    watch.bus.publish([], state=("monitor:h", json.dumps(memo).encode()))
    watch.engine.crash(web)
    watch.start()
    eventually(lambda: "web" in [event.data.container.name for event in watch.alerts()])
    assert "dead_before" not in [item.name for item in watch.alerts()[-1].data.evidence]
    eventually(lambda: "started without the parts" in str(beat(watch).warnings))


def read_warnings(watch: Watch) -> tuple[str, ...]:
    beats = (event.data for event in watch.bus.read_last_values("heartbeat"))
    return next((each.warnings for each in beats if isinstance(each, Heartbeat)), ())


def test_death_is_found_by_a_list_while_events_are_behind(watch, monkeypatch):
    monkeypatch.setattr(container_list, "EVENT_GRACE_SECONDS", 0.0)
    web = watch.make()
    watch.engine.is_behind = True
    monkeypatch.setattr(watch.engine, "_emit", lambda *_, **__: None)
    watch.engine.crash(web)
    eventually(watch.alerts)
    eventually(lambda: BEHIND_WARNING in read_warnings(watch))
    watch.engine.is_behind = False
    eventually(lambda: BEHIND_WARNING not in read_warnings(watch))


def test_monitor_that_uses_its_cpu_share_up_pauses_and_says_so(watch, monkeypatch):
    watch.make()
    steps = []

    def step(_: Monitor, observation: Observation, __: float) -> list[Event]:
        steps.append(observation)
        return []

    monkeypatch.setattr(Monitor, "step", step)
    used = itertools.count(1000.0, 1000.0)
    watch.cpu_time = lambda: next(used)
    eventually(lambda: BEHIND_WARNING in read_warnings(watch))
    first = len(steps)
    eventually(lambda: next(used) > 20_000.0)
    assert len(steps) == first
    watch.cpu_time = lambda: 0.0
