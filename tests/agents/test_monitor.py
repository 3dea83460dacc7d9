"""What the monitor makes of what the engine says and the samplers measure."""

from signal import SIGQUIT

import msgspec
import pytest

from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import (
    Connected,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    HealthCheck,
    HostSample,
    ParentLimits,
    Probed,
    Samples,
)
from hemostat.errors import (
    BusUnreachableError,
    EngineError,
    EngineUnreachableError,
)
from hemostat.events import Kind, Phase
from tests.support.monitor_harness import MIB, MonitorHarness
from tests.support.samples import composed


@pytest.fixture
def watch() -> MonitorHarness:
    return MonitorHarness()


def test_crash_raises_an_alert_with_the_exit_code(watch):
    web = watch.make()
    watch.clock.advance(30)
    watch.engine.crash(web, 7)
    watch.listen()
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    facts = {item.name: item.value for item in watch.alerts[0].evidence}
    assert facts == {"exit_code": 7, "ran": 30.0}


def test_oom_kill_raises_an_alert_with_the_limit(watch):
    watch.engine.oom(watch.make(memory=64 * MIB))
    watch.listen()
    assert watch.told() == [(Kind.OOM, Phase.RAISED)]
    assert watch.alerts[0].get_fact("memory_limit") == 64 * MIB


def test_unhealthy_container_that_is_being_stopped_is_no_alert(watch):
    web = watch.make(health=("true",))
    watch.sample()
    ref = watch.engine.inspect(web).ref
    watch.tell(EngineEvent(time=watch.clock.now(), action="kill", container=ref, signal=15))
    watch.engine.set_health(web, "unhealthy")
    watch.sample(5)
    watch.engine.crash(web, 1)
    watch.sample(20)
    assert watch.alerts == []


def test_secret_in_a_label_command_is_masked_in_the_alert(watch):
    web = watch.make(
        labels={
            "hemostat.exec": "redis-cli -a s3cret shutdown",
            "hemostat.probe": "http://:80/?token=s3cret77",
        }
    )
    watch.sample()
    watch.engine.crash(web, 7)
    watch.listen()
    refs = [each.container for each in (*watch.alerts, *watch.stats)]
    assert len(refs) > 1
    assert all(
        "s3cret" not in str(ref) and ref.labels["hemostat.exec"].startswith("redis-cli") for ref in refs
    )


def test_actions_of_people_raise_no_alert(watch):
    web = watch.make()
    watch.engine.stop(web)
    watch.engine.start(web)
    watch.engine.restart(web)
    watch.engine.pause(web)
    watch.sample(30)
    watch.engine.remove(web)
    watch.sample(30)
    assert watch.alerts == []


def test_exit_0_and_restarts_by_docker_raise_no_alert(watch):
    watch.engine.crash(watch.make(), 0)
    watch.engine.crash(watch.make(name="db", restart_policy="always"), 1)
    watch.sample(2)
    assert watch.alerts == []


@pytest.mark.parametrize("labels", [{"hemostat.enable": "false"}, {"autoheal": "false"}])
def test_opted_out_container_is_not_watched_or_measured(watch, labels):
    watch.engine.crash(watch.make(labels=labels), 1)
    watch.sample(2)
    assert (watch.alerts, watch.stats) == ([], [])


def test_failing_health_check_is_an_incident_until_it_passes(watch):
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
    watch.sample(9)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
    watch.sample(2)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED), (Kind.UNHEALTHY, Phase.CLEARED)]


def test_cpu_alert_starts_and_ends_after_a_whole_window(watch):
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


def test_short_cpu_spike_raises_no_alert(watch):
    web = watch.make()
    watch.engine.spin(web, 1.0)
    watch.sample(8)
    watch.engine.spin(web, 0.0)
    watch.sample(30)
    assert watch.alerts == []


def test_growing_memory_raises_an_alert_with_the_rate(watch):
    web = watch.make(memory=100 * MIB, labels={"hemostat.leak_window": "10s"})
    watch.engine.use(web, 70 * MIB, growth=1 * MIB)
    watch.sample(25)
    assert watch.told() == [(Kind.MEMORY_LEAK, Phase.RAISED)]
    assert watch.alerts[0].get_number("growth") == pytest.approx(MIB, rel=0.1)


def test_restart_of_the_monitor_does_not_clear_a_leak(watch):
    web = watch.make(memory=100 * MIB)
    watch.engine.use(web, 40 * MIB, growth=MIB // 10)
    watch.sample(320)
    assert watch.told() == [(Kind.MEMORY_LEAK, Phase.RAISED)]
    watch.restart_monitor()
    watch.tell(Connected())
    watch.sample(100)
    assert len(watch.alerts) == 1
    watch.engine.use(web, 60 * MIB, growth=0.0)
    watch.sample(200)
    assert watch.told()[1:] == [(Kind.MEMORY_LEAK, Phase.CLEARED)]


def test_monitor_continues_from_stored_samples(watch):
    web = watch.make(memory=100 * MIB)
    watch.engine.use(web, 40 * MIB, growth=MIB // 10)
    watch.sample(200)
    kept = [MetricPoint(each.time, 1.0, each.memory) for each in watch.samples]
    watch.restart_monitor(history=lambda name: kept if name == "web" else [])
    watch.tell(Connected())
    watch.sample(100)
    assert watch.told() == [(Kind.MEMORY_LEAK, Phase.RAISED)]


def test_lower_limit_of_a_parent_cgroup_applies(watch):
    parents = ParentLimits(memory=50 * MIB, memory_of="/team.slice", cpu=0.5, pids=10)
    web = watch.make(memory=100 * MIB)
    watch.engine.use(web, 45 * MIB)
    watch.engine.spin(web, 0.5)
    for _ in range(15):
        watch.clock.advance(1)
        samples = watch.engine.sample(watch.monitor.list_running(), watch.clock.now())
        watch.tell(Samples(tuple(msgspec.structs.replace(each, parents=parents) for each in samples)))
    told = {alert.kind: alert for alert in watch.alerts}
    assert told.keys() == {Kind.MEMORY_HIGH, Kind.CPU_HIGH}
    assert told[Kind.MEMORY_HIGH].get_number("memory") == 90.0
    assert told[Kind.MEMORY_HIGH].get_fact("limit_of") == "its parent cgroup /team.slice"
    assert told[Kind.CPU_HIGH].get_number("cpu_limit") == 0.5
    assert watch.stats[-1].memory_limit == 100 * MIB


def test_memory_of_the_host_is_the_limit_without_another(watch):
    watch.engine.use(watch.make(), 4000 * MIB)
    watch.sample(12)
    assert watch.alerts[0].get_fact("limit_of") == "the host"


def test_unreadable_samples_do_not_stop_the_monitor(watch):
    def fails(name: str) -> list[MetricPoint]:
        raise BusUnreachableError("gone")

    watch.engine.use(watch.make(memory=100 * MIB), 90 * MIB)
    watch.restart_monitor(history=fails)
    watch.tell(Connected())
    watch.sample(12)
    assert watch.told() == [(Kind.MEMORY_HIGH, Phase.RAISED)]


def test_new_monitor_does_not_clear_flapping(watch):
    web = watch.make(health=("true",), labels={"hemostat.unhealthy_for": "5s"})
    for health in ("unhealthy", "healthy") * 4:
        watch.engine.set_health(web, health)
        watch.sample(2)
    watch.restart_monitor()
    watch.tell(Connected())
    watch.sample(200)
    assert watch.told() == [(Kind.FLAPPING, Phase.RAISED)]
    watch.sample(200)
    assert watch.told()[1:] == [(Kind.FLAPPING, Phase.CLEARED)]


def test_large_writable_layer_raises_one_alert(watch):
    web = watch.make(labels={"hemostat.disk": "16MiB"})
    for size in (8, 24, 30, 2):
        watch.tell(DiskUse(web, size * MIB))
    assert watch.told() == [(Kind.DISK_HIGH, Phase.RAISED), (Kind.DISK_HIGH, Phase.CLEARED)]


def test_crash_is_cleared_after_the_container_ran_long_enough(watch):
    web = watch.make()
    watch.sample()
    watch.engine.crash(web)
    watch.listen()
    watch.engine.start(web)
    watch.sample(5)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    watch.sample(10)
    assert watch.told()[1:] == [(Kind.EXITED, Phase.CLEARED)]


def test_second_death_before_that_is_the_same_incident(watch):
    web = watch.make()
    for _ in range(2):
        watch.engine.crash(web)
        watch.listen()
        watch.engine.start(web)
        watch.sample(3)
    assert [alert.occurrence for alert in watch.alerts] == [1, 2]
    assert len(set(watch.incidents)) == 1


def test_restarted_monitor_repeats_no_alert(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.listen()
    watch.restart_monitor()
    watch.tell(Connected())
    for event in watch.engine._history:
        watch.tell(event)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def test_death_while_the_monitor_was_down_is_detected(watch):
    web = watch.make()
    watch.sample(2)
    watch.tell(Disconnected("gone"))
    watch.clock.advance(5)
    watch.engine.crash(web)
    watch.tell(Connected())
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    watch.listen()
    assert len(watch.alerts) == 1


def test_second_unseen_death_of_an_open_incident_is_an_alert(watch):
    """As by an engine that was killed, and so remembers nothing of it."""
    web = watch.make()
    watch.engine.crash(web)
    watch.listen()
    watch.clock.advance(2)
    watch.engine.start(web)
    watch.listen()
    watch.clock.advance(2)
    watch.tell(Disconnected("gone"))
    watch.engine.crash(web)
    watch.tell(Connected())
    watch.tell(Connected())
    assert [alert.occurrence for alert in watch.alerts] == [1, 2]


def test_death_is_found_although_later_events_arrive_before_the_list(watch):
    """The engine has forgotten the events of the time without a connection."""
    web, db = watch.make(), watch.make(name="db")
    watch.sample(2)
    watch.tell(Disconnected("gone"))
    watch.clock.advance(5)
    watch.engine.crash(web)
    watch.heard = len(watch.engine._history)
    watch.clock.advance(5)
    watch.engine.restart(db)
    watch.listen()
    watch.tell(Connected())
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def test_stop_by_a_person_before_a_lost_connection_explains_the_death(watch):
    web = watch.make()
    watch.sample(2)
    ref = watch.engine.inspect(web).ref
    watch.tell(EngineEvent(time=watch.clock.now(), action="kill", container=ref, signal=15))
    watch.tell(Disconnected("gone"))
    watch.clock.advance(2)
    watch.engine.crash(web, 1)
    watch.tell(Connected())
    assert watch.told() == []


def survive_a_signal(watch: MonitorHarness) -> str:
    """A thread dump, say; a while ago."""
    web = watch.make()
    watch.tell(
        EngineEvent(
            time=watch.clock.now(), action="kill", container=watch.engine.inspect(web).ref, signal=SIGQUIT
        )
    )
    watch.clock.advance(1200)
    watch.sample()
    return web


def test_survived_signal_does_not_clear_a_later_crash(watch):
    watch.engine.crash(survive_a_signal(watch), 7)
    watch.sample(60)
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def test_survived_signal_does_not_explain_an_unseen_crash(watch):
    web = survive_a_signal(watch)
    watch.engine.crash(web, 7)
    watch.tell(Connected())
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


@pytest.mark.parametrize("fault", ["cpu", "probe"])
def test_failure_after_a_survived_signal_is_one_alert(watch, fault):
    web = watch.make(labels={"hemostat.probe": "tcp://:80"})
    watch.tell(Probed(container_id=web, time=watch.clock.now()))
    ref = watch.engine.inspect(web).ref
    watch.tell(EngineEvent(time=watch.clock.now(), action="kill", container=ref, signal=SIGQUIT))
    if fault == "cpu":
        watch.engine.spin(web, 1.0)
    for _ in range(150):
        watch.sample(5)
        watch.tell(
            Probed(container_id=web, time=watch.clock.now(), error="refused" if fault == "probe" else "")
        )
    assert watch.told() == [({"cpu": Kind.CPU_HIGH, "probe": Kind.HUNG}[fault], Phase.RAISED)]


def test_removed_container_clears_its_incident(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.listen()
    watch.engine.remove(web)
    watch.tell(Connected())
    assert watch.told()[1:] == [(Kind.EXITED, Phase.CLEARED)]


def first_look_at(watch: MonitorHarness, exit_code: int) -> None:
    watch.engine.crash(watch.make(), exit_code)
    watch.monitor, watch.heard = watch.new_monitor(), len(watch.engine._history)
    watch.alerts.clear()
    watch.clock.advance(60)
    watch.tell(Connected())


def test_failure_before_the_first_list_is_one_alert(watch):
    first_look_at(watch, 3)
    watch.sample(30)
    watch.tell(Connected())
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]
    assert (watch.alerts[0].get_fact("exit_code"), watch.alerts[0].get_fact("dead_before")) == (3, True)


@pytest.mark.parametrize("exit_code", [0, 137, 143])
def test_stop_before_the_first_list_raises_no_alert(watch, exit_code):
    first_look_at(watch, exit_code)
    assert watch.alerts == []


def test_lost_engine_is_reported_until_it_is_back(watch):
    watch.tell(Disconnected("no Docker Engine answers"))
    assert watch.monitor.engine_trouble == "no Docker Engine answers"
    watch.tell(Connected())
    assert watch.monitor.engine_trouble == ""


def test_each_round_publishes_stats_of_each_container(watch):
    watch.engine.spin(watch.make(memory=64 * MIB, cpus=2.0), 0.5)
    watch.sample(3)
    last = watch.stats[-1]
    assert (last.cpu, last.cpu_limit, last.memory_limit) == (50.0, 2.0, 64 * MIB)


def test_stats_contain_network_rates(watch):
    """Between two readings of the counters the last rate counts. A new process has no rate yet."""

    def round_of(received: int | None = None, sent: int | None = None) -> tuple[float | None, float | None]:
        watch.clock.advance(1.0)
        watch.listen()
        samples = watch.engine.sample(watch.monitor.list_running(), watch.clock.now())
        counters = {"received": received, "sent": sent}
        watch.tell(Samples(tuple(msgspec.structs.replace(each, **counters) for each in samples)))
        return watch.stats[-1].received, watch.stats[-1].sent

    web = watch.make()
    assert [round_of(0, 0), round_of(500, 20), round_of()] == [(None, None), (500, 20), (500, 20)]
    watch.engine.restart(web)
    assert round_of(9, 9) == (None, None)


def test_event_of_a_removed_container_is_ignored(watch):
    web = watch.make()
    watch.engine.crash(web)
    watch.engine.remove(web)
    watch.listen()
    assert watch.alerts == []


def test_unknown_event_is_ignored(watch):
    web = watch.make()
    info = watch.engine.inspect(web)
    watch.tell(EngineEvent(time=watch.clock.now(), action="rename", container=info.ref))
    assert watch.alerts == []


def names(watch: MonitorHarness) -> list[tuple[str, str, str]]:
    """Container, kind and root of every alert that was raised."""
    raised = (alert for alert in watch.alerts if alert.phase is Phase.RAISED)
    return [(alert.container.name, alert.kind.value, alert.root) for alert in raised]


def compose(service: str, depends_on: str = "") -> dict[str, str]:
    needs = {"com.docker.compose.depends_on": depends_on} if depends_on else {}
    return composed(service, **needs)


def crash_and_start(watch: MonitorHarness, container: str, times: int) -> None:
    for _ in range(times):
        watch.engine.crash(container, 1)
        watch.listen()
        watch.engine.start(container)
        watch.sample(2)


def test_third_death_in_five_minutes_is_a_crash_loop(watch):
    crash_and_start(watch, watch.make(), 4)
    assert watch.told() == [
        (Kind.EXITED, Phase.RAISED),
        (Kind.EXITED, Phase.RAISED),
        (Kind.EXITED, Phase.CLEARED),
        (Kind.CRASH_LOOP, Phase.RAISED),
    ]


def test_crash_loop_under_a_restart_policy_is_one_alert(watch):
    web = watch.make(restart_policy="always")
    for _ in range(5):
        watch.engine.crash(web, 1)
        watch.sample()
    assert watch.told() == [(Kind.CRASH_LOOP, Phase.RAISED)]


def test_crash_loop_is_cleared_long_after_the_last_death(watch):
    crash_and_start(watch, watch.make(labels={"hemostat.loop_window": "1m"}), 3)
    watch.sample(40)
    assert watch.told()[-1] == (Kind.CRASH_LOOP, Phase.RAISED)
    watch.sample(25)
    assert watch.told()[-1] == (Kind.CRASH_LOOP, Phase.CLEARED)


def test_restarted_monitor_remembers_earlier_deaths(watch):
    web = watch.make()
    crash_and_start(watch, web, 2)
    watch.restart_monitor()
    watch.tell(Connected())
    crash_and_start(watch, web, 1)
    assert watch.told()[-1] == (Kind.CRASH_LOOP, Phase.RAISED)


def test_alternating_health_is_flapping(watch):
    web = watch.make(health=("true",), labels={"hemostat.unhealthy_for": "5s"})
    for health in ("unhealthy", "healthy") * 4:
        watch.engine.set_health(web, health)
        watch.sample(2)
    assert watch.told() == [(Kind.FLAPPING, Phase.RAISED)]
    watch.sample(300)
    assert watch.told()[1:] == [(Kind.FLAPPING, Phase.CLEARED)]


def test_self_recovered_health_gets_time_to_recover_again(watch):
    web = watch.make(health=("true",))
    for health in ("unhealthy", "healthy", "unhealthy"):
        watch.engine.set_health(web, health)
        watch.sample(2)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
    watch.sample(10)
    assert watch.told()[1:] == [(Kind.UNHEALTHY, Phase.RAISED)]
    assert (watch.incidents[0], watch.alerts[1].relapsed) == (watch.incidents[1], True)


def test_dependents_of_a_failed_container_wait_for_it(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", health=("true",), labels=compose("web", "db:service_started:true"))
    watch.engine.crash(db, 1)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    assert names(watch) == [("db", "exited", ""), ("web", "unhealthy", "db")]
    assert watch.alerts[0].downstream == ("web",)
    watch.engine.start(db)
    watch.sample(19)
    assert len(names(watch)) == 2
    watch.sample(3)
    assert names(watch)[2:] == [("web", "unhealthy", "")]


def test_recently_recovered_dependency_is_the_root_cause(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", health=("true",), labels=compose("web", "db:service_started:true"))
    watch.engine.crash(db, 1)
    watch.listen()
    watch.engine.start(db)
    watch.sample(5)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    assert names(watch) == [("db", "exited", ""), ("web", "unhealthy", "db")]


def test_recovery_with_the_dependency_is_no_second_alert(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", health=("true",), labels=compose("web", "db:service_started:true"))
    watch.engine.stop(db)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    watch.engine.start(db)
    watch.sample(5)
    watch.engine.set_health(web, "healthy")
    watch.sample(30)
    assert names(watch) == [("web", "unhealthy", "db")]
    assert watch.told()[-1] == (Kind.UNHEALTHY, Phase.CLEARED)


def test_short_loss_of_the_engine_loses_no_alert(watch):
    watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", labels=compose("web", "db:service_started:true"))
    watch.engine.spin(web, 1.0)
    inspect = watch.engine.inspect

    def gone(_: str) -> None:
        watch.engine.inspect = inspect
        raise EngineUnreachableError("engine gone")

    watch.engine.inspect = gone
    for _ in range(60):
        watch.clock.advance(1.0)
        samples = Samples(tuple(watch.engine.sample(watch.monitor.list_running(), watch.clock.now())))
        try:
            watch.tell(samples)
        except EngineUnreachableError:
            watch.tell(samples)
    assert watch.engine.inspect is inspect
    assert names(watch) == [("web", "cpu_high", "")]


def test_death_is_an_alert_when_dependencies_are_unreadable(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", labels=compose("web", "db:service_started:true"))
    inspect = watch.engine.inspect

    def failing(container: str) -> ContainerInfo:
        if container == db:
            raise EngineError("inspect db: layer does not exist")
        return inspect(container)

    watch.engine.inspect = failing
    watch.engine.crash(web, 7)
    watch.listen()
    assert names(watch) == [("web", "exited", "")]


def busy_host(watch: MonitorHarness, seconds: int, cpu: float) -> None:
    for _ in range(seconds):
        watch.tell(HostSample(time=watch.clock.now(), cpu=cpu))
        watch.sample()


def test_container_on_a_busy_host_waits_until_it_is_calm(watch):
    web = watch.make(health=("true",))
    busy_host(watch, 5, 1.0)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    busy_host(watch, 5, 1.0)
    assert names(watch) == [("web", "unhealthy", "h")]
    assert watch.alerts[0].get_number("host_cpu") == 100.0
    busy_host(watch, 12, 0.2)
    assert names(watch)[1:] == [("web", "unhealthy", "")]


def test_a_host_that_stays_busy_holds_a_container_for_two_minutes_only(watch):
    """Work of the lowest priority keeps a host busy, and takes no CPU from anybody."""
    web = watch.make(health=("true",))
    busy_host(watch, 5, 1.0)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    busy_host(watch, 110, 1.0)
    assert names(watch) == [("web", "unhealthy", "h")]
    busy_host(watch, 20, 1.0)
    assert names(watch)[1:] == [("web", "unhealthy", "")]
    assert watch.alerts[-1].get_fact("host_cpu") is None


def test_busy_host_does_not_prolong_the_hold_of_a_storm(watch):
    containers = [watch.make(name=f"c{number}", health=("true",)) for number in range(8)]
    busy_host(watch, 1, 0.2)
    for container in containers:
        watch.engine.set_health(container, "unhealthy")
    watch.listen()
    assert names(watch)[-1] == ("c7", "unhealthy", "h")
    busy_host(watch, 160, 1.0)
    assert names(watch)[-1] == ("c7", "unhealthy", "")


def test_container_that_loads_the_host_is_not_excused(watch):
    web = watch.make(health=("true",))
    watch.engine.spin(web, 0.9)
    busy_host(watch, 5, 1.0)
    watch.engine.set_health(web, "unhealthy")
    watch.listen()
    assert names(watch) == [("web", "unhealthy", "")]


def test_many_failures_at_once_are_one_storm(watch):
    containers = [watch.make(name=f"c{number}") for number in range(8)]
    for container in containers:
        watch.engine.crash(container, 1)
    watch.listen()
    told = names(watch)
    assert told[:4] == [(f"c{number}", "exited", "") for number in range(4)]
    assert told[4] == ("h", "storm", "")
    assert told[5:] == [(f"c{number}", "exited", "h") for number in range(4, 8)]
    storm = next(alert for alert in watch.alerts if alert.kind is Kind.STORM)
    assert (storm.container.is_host, storm.get_number("storm")) == (True, 5)
    watch.sample(30)
    assert [alert.kind for alert in watch.alerts if alert.phase is Phase.CLEARED] == [Kind.STORM]
    released = names(watch)[len(told) :]
    assert released == [(f"c{number}", "exited", "") for number in range(4, 8)]


def project(name: str) -> dict[str, str]:
    return {"com.docker.compose.project": name}


def test_storm_of_one_tenant_does_not_hold_others(watch):
    hostile = [watch.make(name=f"t{n}", labels=project("tenant")) for n in range(5)]
    others = [watch.make(name=f"c{n}", labels=project(f"p{n}")) for n in range(4)]
    for container in hostile:
        watch.engine.crash(container, 1)
    watch.listen()
    watch.engine.crash(others[0], 9)
    watch.listen()
    assert names(watch)[-1] == ("c0", "exited", "")
    storm = next(alert for alert in watch.alerts if alert.kind is Kind.STORM)
    assert storm.get_fact("project") == "tenant"
    watch.engine.crash(watch.make(name="t9", labels=project("tenant")), 1)
    watch.listen()
    assert names(watch)[-1] == ("t9", "exited", "h")


def test_renewed_storm_ends_and_releases_its_containers(watch):
    """Each of the tenant's containers fails again and again, in projects of different names."""
    hostile = [watch.make(name=f"t{n}", health=("x",), labels=project(f"f{n}")) for n in range(5)]
    victim = watch.make(name="victim")
    for second in range(40):
        for container in hostile:
            watch.engine.set_health(container, "unhealthy" if second % 4 < 2 else "healthy")
        if second == 1:
            watch.engine.crash(victim, 9)
        watch.listen()
        watch.sample()
    assert [told for told in names(watch) if told[0] == "victim"] == [
        ("victim", "exited", "h"),
        ("victim", "exited", ""),
    ]


def test_failing_probe_is_a_hang_until_it_passes(watch):
    web = watch.make(labels={"hemostat.probe": "tcp://:80"})
    for error in ("", "refused", "refused", "refused", "refused", ""):
        watch.clock.advance(5)
        watch.tell(Probed(container_id=web, time=watch.clock.now(), error=error))
    assert watch.told() == [(Kind.HUNG, Phase.RAISED), (Kind.HUNG, Phase.CLEARED)]
    assert watch.alerts[0].get_fact("probe") == "refused"


def test_hang_is_over_when_the_probe_passes_after_a_restart(watch):
    web = watch.make(labels={"hemostat.probe": "tcp://:80"})
    for error in ("", "refused", "refused", "refused", "refused"):
        watch.clock.advance(5)
        watch.tell(Probed(container_id=web, time=watch.clock.now(), error=error))
    watch.engine.restart(web)
    for _ in range(30):
        watch.sample(5)
        watch.tell(Probed(container_id=web, time=watch.clock.now()))
    assert watch.told() == [(Kind.HUNG, Phase.RAISED), (Kind.HUNG, Phase.CLEARED)]


def test_late_probe_results_of_a_stopped_container_are_no_hang(watch):
    web = watch.make(labels={"hemostat.probe": "tcp://:80"})
    watch.tell(Probed(container_id=web, time=watch.clock.now()))
    watch.engine.stop(web)
    watch.listen()
    for _ in range(5):
        watch.clock.advance(5)
        watch.tell(Probed(container_id=web, time=watch.clock.now(), error="refused"))
    assert watch.told() == []


def test_full_engine_filesystem_is_a_host_alert(watch):
    for used in (50, 95, 95, 80):
        for _ in range(12):
            now = watch.clock.advance(1)
            watch.tell(HostSample(time=now, disk_size=100, disk_used=used))
    assert watch.told() == [(Kind.DISK_HIGH, Phase.RAISED), (Kind.DISK_HIGH, Phase.CLEARED)]
    assert watch.alerts[0].container.is_host


def test_growing_log_raises_an_alert(watch):
    web = watch.make(labels={"hemostat.log": "1MiB"})
    watch.tell(DiskUse(web, 0, 2 * MIB))
    assert watch.alerts[0].get_number("log_bytes") == 2 * MIB


def test_alert_is_cleared_when_the_container_is_removed(watch):
    web = watch.make(labels={"hemostat.window": "3s"})
    watch.engine.spin(web, 1.0)
    watch.sample(6)
    watch.engine.crash(web, 0)
    watch.sample(15)
    assert watch.told() == [(Kind.CPU_HIGH, Phase.RAISED), (Kind.CPU_HIGH, Phase.CLEARED)]


def test_usual_load_raises_no_alert_after_learning(watch):
    watch = MonitorHarness(baseline=True, baseline_window=60.0)
    web = watch.make()
    watch.engine.spin(web, 0.9)
    watch.sample(120)
    assert watch.alerts == []
    watch.engine.spin(web, 1.0)
    watch.sample(15)
    assert watch.told() == [(Kind.CPU_HIGH, Phase.RAISED)]


def test_unchanged_stats_are_published_at_intervals(watch):
    watch.make()
    watch.sample(3)
    watch.stats.clear()
    watch.sample(20)
    assert 3 <= len(watch.stats) <= 6


def test_death_is_an_alert_without_an_inspection(watch):
    web = watch.make()
    watch.clock.advance(1)
    watch.engine.crash(web, 3)
    watch.engine.fail(EngineError("it takes its time"))
    watch.listen()
    assert names(watch) == [("web", "exited", "")]
    assert watch.alerts[0].get_number("exit_code") == 3


def test_protected_container_can_be_the_root_cause(watch):
    db = watch.make(name="db", labels={**compose("db"), "hemostat.enable": "false"})
    web = watch.make(name="web", labels=compose("web", "db:service_started:false"), health=("true",))
    watch.sample(2)
    watch.engine.crash(db, 1)
    watch.clock.advance(1)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(2)
    assert [(alert.container.name, alert.root) for alert in watch.alerts] == [("web", "db")]


def test_finished_init_container_does_not_hold_its_dependent(watch):
    migrate = watch.make(name="migrate", labels=compose("migrate"))
    watch.engine.crash(migrate, 0)
    app = watch.make(name="app", labels=compose("app", "migrate:service_started:false"))
    watch.clock.advance(15)
    watch.engine.crash(app, 1)
    watch.listen()
    assert [(alert.container.name, alert.root) for alert in watch.alerts] == [("app", "")]


def test_failed_job_with_dependents_is_a_job_alert(watch):
    migrate = watch.make(name="migrate", labels=compose("migrate"))
    watch.make(name="app", labels=compose("app", "migrate:service_completed_successfully:false"))
    watch.engine.crash(migrate, 1)
    watch.listen()
    assert watch.alerts[0].get_fact("job") == "it must complete before app"


def test_restarted_monitor_recognises_a_recurring_job(watch):
    job = watch.make()
    for code in (0, 0, 3):
        watch.clock.advance(60)
        watch.engine.crash(job, code)
        watch.listen()
        if code == 0:
            watch.restart_monitor()
            watch.tell(Connected())
            watch.clock.advance(60)
            watch.engine.start(job)
            watch.listen()
    assert watch.alerts[-1].get_fact("job") == "it exited with code 0 2 times before"


def with_check(watch, container: str, **state) -> None:
    """As the engine would show it: a health check that runs every 30 s."""
    box = watch.engine._boxes[container]
    told = box.build_info
    box.build_info = lambda: msgspec.structs.replace(
        told(), check=HealthCheck(interval=30, timeout=5), **state
    )


def test_failing_check_waits_for_a_slower_dependency_check(watch):
    db = watch.make(name="db", labels=compose("db"), health=("true",))
    web = watch.make(name="web", labels=compose("web", "db"), health=("true",))
    watch.engine.set_health(db, "healthy")
    with_check(watch, db, checked_at=watch.clock.now())
    watch.sample(3)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(10)
    assert watch.alerts == []
    with_check(watch, db, checked_at=watch.clock.now(), failing_streak=1)
    watch.sample(2)
    assert names(watch) == [("web", "unhealthy", "db")]
    assert watch.alerts[0].get_fact("dependency") == "db failed its latest health check"


def test_failing_check_waits_one_round_of_its_dependency(watch):
    db = watch.make(name="db", labels=compose("db"), health=("true",))
    web = watch.make(name="web", labels=compose("web", "db"), health=("true",))
    watch.engine.set_health(db, "healthy")
    with_check(watch, db, checked_at=watch.clock.now())
    watch.sample(3)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(34)
    assert watch.alerts == []
    watch.sample(3)
    assert names(watch) == [("web", "unhealthy", "")]


def test_held_alert_is_repeated_while_the_dependency_fails(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", health=("true",), labels=compose("web", "db"))
    watch.engine.crash(db, 1)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(800)
    assert len([each for each in names(watch) if each[0] == "web"]) == 1
    watch.sample(200)
    told = [alert for alert in watch.alerts if alert.container.name == "web"]
    assert [alert.root for alert in told] == ["db", ""]
    assert told[1].get_number("waited") >= 900
    assert str(told[1].get_fact("dependency")).startswith("db exited with code 1")


def test_dependent_waits_for_a_stopped_dependency(watch):
    db = watch.make(name="db", labels=compose("db"))
    web = watch.make(name="web", health=("true",), labels=compose("web", "db:service_healthy:false"))
    watch.sample()
    watch.engine.stop(db)
    watch.engine.set_health(web, "unhealthy")
    watch.sample(1200)
    assert names(watch) == [("web", "unhealthy", "db")]


def test_unusable_label_is_logged_once(watch, caplog):
    web = watch.make(labels={"hemostat.windw": "1m", "hemostat.protect": "y", "hemostat.cpu": "95"})
    watch.sample(3)
    watch.engine.restart(web)
    watch.listen()
    watch.tell(Connected())
    lines = [record.getMessage() for record in caplog.records if "label.rejected" in record.getMessage()]
    assert [line.partition(" value=")[0] for line in lines] == [
        "label.rejected container=web label=hemostat.protect",
        "label.rejected container=web label=hemostat.windw",
    ]
    assert "nearest=hemostat.window" in lines[1]


def test_container_with_an_unreadable_enable_label_is_watched(watch):
    watch.engine.crash(watch.make(labels={"hemostat.enable": "n"}), 7)
    watch.listen()
    assert watch.told() == [(Kind.EXITED, Phase.RAISED)]


def restarted_ill(watch) -> str:
    """A container whose restart did not help: its health check has not passed since, and fails again."""
    web = watch.make(health=("true",))
    watch.engine.set_health(web, "unhealthy")
    watch.sample(1)
    watch.engine.stop(web)
    watch.engine.start(web)
    watch.engine.set_health(web, "starting")
    watch.sample(30)
    return web


def test_starting_health_check_does_not_clear_the_incident(watch):
    start, watch.engine._start = watch.engine._start, lambda box: None
    watch.engine._start = lambda box: begin_ill(start, box)
    web = restarted_ill(watch)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
    watch.engine.set_health(web, "unhealthy")
    watch.sample(30)
    assert watch.told()[1:] == [(Kind.UNHEALTHY, Phase.RAISED)]
    assert len(set(watch.incidents)) == 1
    assert (watch.alerts[1].relapsed, watch.alerts[1].get_fact("never_passed")) == (True, True)
    watch.engine.set_health(web, "healthy")
    watch.sample(12)
    assert watch.told()[2:] == [(Kind.UNHEALTHY, Phase.CLEARED)]


def begin_ill(start, box) -> None:
    """Start it as an engine does: no check has passed yet."""
    health, box.spec = box.spec.health, msgspec.structs.replace(box.spec, health=None)
    start(box)
    box.spec = msgspec.structs.replace(box.spec, health=health)
    box.health = None if health is None else "starting"


def test_failure_in_the_relapse_window_reopens_the_incident(watch):
    web = watch.make(health=("true",))
    for _ in range(2):
        watch.engine.set_health(web, "unhealthy")
        watch.sample(12)
        watch.engine.set_health(web, "healthy")
        watch.sample(1000)
    watch.restart_monitor()
    watch.tell(Connected())
    watch.engine.set_health(web, "unhealthy")
    watch.sample(12)
    raised = [alert for alert in watch.alerts if alert.phase is Phase.RAISED]
    assert [(alert.occurrence, alert.relapsed) for alert in raised] == [(1, False), (2, True), (3, True)]
    assert len(set(watch.incidents)) == 1


def test_failure_after_the_relapse_window_is_a_new_incident(watch):
    web = watch.make()
    for _ in range(2):
        watch.engine.crash(web, 1)
        watch.sample(2)
        watch.engine.start(web)
        watch.sample(1900)
    assert [alert.relapsed for alert in watch.alerts] == [False, False, False, False]
    assert len(set(watch.incidents)) == 2


def test_containers_that_request_a_probe_are_probed_while_they_run(watch):
    web = watch.make(labels={"hemostat.probe": "tcp://:80"}, network="host")
    watch.make(name="db", network="host")
    assert watch.monitor.list_probes() == [(web, ProbeTarget("tcp", 80), ProbeRoute("127.0.0.1"))]
    watch.engine.stop(web)
    watch.listen()
    assert watch.monitor.list_probes() == []
