"""What the monitor makes of what the engine says and the samplers measure."""

import pytest

from hemostat.adapters.memory_engine import MemoryEngine
from hemostat.agents.monitor import Monitor
from hemostat.core.model import Connected, Disconnected, DiskUse, EngineEvent, Samples
from hemostat.core.thresholds import Thresholds
from hemostat.events import ContainerStats, HealthAlert, Kind, Phase
from hemostat.ports import ContainerSpec
from tests.clock import FakeClock

MIB = 1 << 20


class Watch:
    """A monitor on an engine in memory, told of everything that happens there."""

    def __init__(self, **thresholds) -> None:
        self.clock = FakeClock()
        self.engine = MemoryEngine(self.clock)
        self.monitor = self.new_monitor(**thresholds)
        self.heard = 0
        self.alerts: list[HealthAlert] = []
        self.incidents: list[str] = []
        self.stats: list[ContainerStats] = []
        self.tell(Connected())

    def new_monitor(self, **thresholds) -> Monitor:
        return Monitor(
            self.engine,
            self.engine,
            Thresholds(**thresholds),
            host="h",
            source="monitor@1",
            host_memory=4096 * MIB,
        )

    def tell(self, observation) -> None:
        for event in self.monitor.step(observation, self.clock.now()):
            if isinstance(event.data, HealthAlert):
                self.alerts.append(event.data)
                self.incidents.append(event.incident)
            else:
                self.stats.append(event.data)

    def listen(self) -> None:
        """Pass on what the engine has said since the last time."""
        history = self.engine._history
        news, self.heard = history[self.heard :], len(history)
        for event in news:
            self.tell(event)

    def sample(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.listen()
            self.tell(Samples(tuple(self.engine.sample(self.monitor.running(), self.clock.now()))))

    def make(self, **fields) -> str:
        spec = {"name": "web", "image": "busybox", "command": ("x",), "labels": {}}
        container = self.engine.run(ContainerSpec(**{**spec, **fields}))
        self.listen()
        return container

    def restart_monitor(self) -> None:
        memo = self.monitor.memo()
        self.monitor = self.new_monitor()
        self.monitor.restore(memo)

    def told(self) -> list[tuple[Kind, Phase]]:
        return [(alert.kind, alert.phase) for alert in self.alerts]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_crash_is_an_alert_with_its_exit_code(watch):
    web = watch.make()
    watch.clock.advance(30)
    watch.engine.crash(web, 7)
    watch.listen()
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    facts = {item.name: item.value for item in watch.alerts[0].evidence}
    assert facts == {"exit_code": 7, "ran": 30.0}


def test_an_oom_kill_is_told_with_the_limit(watch):
    watch.engine.oom(watch.make(memory=64 * MIB))
    watch.listen()
    assert watch.told() == [(Kind.OOM, Phase.RAISED)]
    assert watch.alerts[0].fact("memory_limit") == 64 * MIB


def test_what_people_do_is_no_failure(watch):
    web = watch.make()
    watch.engine.stop(web)
    watch.engine.start(web)
    watch.engine.restart(web)
    watch.engine.pause(web)
    watch.sample(30)
    watch.engine.remove(web)
    watch.sample(30)
    assert watch.alerts == []


def test_exit_0_and_dockers_own_restarts_are_no_failure(watch):
    watch.engine.crash(watch.make(), 0)
    watch.engine.crash(watch.make(name="db", restart_policy="always"), 1)
    watch.sample(2)
    assert watch.alerts == []


@pytest.mark.parametrize("labels", [{"hemostat.enable": "false"}, {"autoheal": "false"}])
def test_a_container_that_opts_out_is_neither_watched_nor_measured(watch, labels):
    watch.engine.crash(watch.make(labels=labels), 1)
    watch.sample(2)
    assert (watch.alerts, watch.stats) == ([], [])


def test_a_failing_health_check_is_an_incident_until_it_passes(watch):
    web = watch.make(health=("true",))
    watch.engine.set_health(web, "unhealthy")
    watch.engine.set_health(web, "healthy")
    watch.listen()
    # The first of the two is looked at when the second has come already.
    assert watch.alerts == []
    watch.clock.advance(1)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    watch.clock.advance(1)
    watch.engine.set_health(web, "healthy")
    watch.listen()
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED), (Kind.UNHEALTHY, Phase.CLEARED)]


def test_cpu_is_an_alert_when_it_was_high_for_its_window_and_over_when_it_was_low_as_long(watch):
    web = watch.make(labels={"hemostat.window": "5s"})
    watch.sample(2)
    watch.engine.spin(web, 1.0)
    watch.sample(4)
    assert watch.alerts == []
    watch.sample(2)
    assert watch.told() == [(Kind.CPU_HIGH, Phase.RAISED)]
    watch.engine.spin(web, 0.0)
    watch.sample(7)
    assert watch.told()[1:] == [(Kind.CPU_HIGH, Phase.CLEARED)]


def test_a_short_spike_is_passed_over(watch):
    web = watch.make()
    watch.engine.spin(web, 1.0)
    watch.sample(8)
    watch.engine.spin(web, 0.0)
    watch.sample(30)
    assert watch.alerts == []


def test_growing_memory_is_an_alert_with_its_growth(watch):
    web = watch.make(memory=100 * MIB, labels={"hemostat.leak_window": "10s"})
    watch.engine.use(web, 70 * MIB, growth=1 * MIB)
    watch.sample(25)
    assert watch.told() == [(Kind.MEMORY_LEAK, Phase.RAISED)]
    assert watch.alerts[0].number("growth") == pytest.approx(MIB, rel=0.1)


def test_a_large_writable_layer_is_an_alert_once(watch):
    web = watch.make(labels={"hemostat.disk": "16MiB"})
    for size in (8, 24, 30, 2):
        watch.tell(DiskUse(web, size * MIB))
    assert watch.told() == [(Kind.DISK_HIGH, Phase.RAISED), (Kind.DISK_HIGH, Phase.CLEARED)]


def test_a_crash_is_over_when_the_container_has_run_long_enough(watch):
    web = watch.make()
    watch.sample()
    watch.engine.crash(web)
    watch.listen()
    watch.engine.start(web)
    watch.sample(5)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    watch.sample(10)
    assert watch.told()[1:] == [(Kind.EXITED, Phase.CLEARED)]


def test_dying_again_before_that_is_the_same_incident_once_more(watch):
    web = watch.make()
    for _ in range(2):
        watch.engine.crash(web)
        watch.listen()
        watch.engine.start(web)
        watch.sample(3)
    assert [alert.occurrence for alert in watch.alerts] == [1, 2]
    assert len(set(watch.incidents)) == 1


def test_a_restarted_monitor_tells_nothing_twice(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.listen()
    watch.restart_monitor()
    watch.tell(Connected())
    for event in watch.engine._history:
        watch.tell(event)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def test_a_death_that_happened_meanwhile_is_found_by_listing(watch):
    web = watch.make()
    watch.sample(2)
    watch.tell(Disconnected("gone"))
    watch.clock.advance(5)
    watch.engine.crash(web)
    watch.tell(Connected())
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    watch.listen()
    assert len(watch.alerts) == 1


def test_a_container_removed_meanwhile_ends_its_incident(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.listen()
    watch.engine.remove(web)
    watch.tell(Connected())
    assert watch.told()[1:] == [(Kind.EXITED, Phase.CLEARED)]


def test_a_first_monitor_does_not_dig_up_old_deaths(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.monitor = watch.new_monitor()
    watch.clock.advance(60)
    watch.tell(Connected())
    assert watch.alerts == []


def test_a_lost_engine_is_said_until_it_is_back(watch):
    watch.tell(Disconnected("no Docker Engine answers"))
    assert watch.monitor.lost == "no Docker Engine answers"
    watch.tell(Connected())
    assert watch.monitor.lost == ""


def test_every_round_tells_what_each_container_uses(watch):
    watch.engine.spin(watch.make(memory=64 * MIB, cpus=2.0), 0.5)
    watch.sample(3)
    last = watch.stats[-1]
    assert (last.cpu, last.cpu_limit, last.memory_limit) == (50.0, 2.0, 64 * MIB)


def test_an_event_about_a_container_that_is_gone_already_harms_nothing(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.engine.remove(web)
    watch.listen()
    assert watch.alerts == []


def test_an_unknown_event_is_looked_at_and_passed_over(watch):
    web = watch.make()
    info = watch.engine.inspect(web)
    watch.tell(EngineEvent(time=watch.clock.now(), action="rename", container=info.ref))
    assert watch.alerts == []
