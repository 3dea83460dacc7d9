"""Alerts from measurements of containers, of their disks, of their probes, and of the host."""

import msgspec
import pytest

from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import on_sample
from hemostat.core.detection.probe import ROOTLESS_ENGINE_ERROR
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.model import ContainerInfo, DiskUse, HostSample, ParentLimits, Probed, Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.findings import ResourceLimits
from hemostat.events import Container, Evidence, HealthAlert, Kind, Phase

NOW = 10_000.0
TUNED = MonitorSettings(disk=1000, log=100, probe_failures=2, probe_start=0.0)


class Host:
    def __init__(self, tuned: MonitorSettings = TUNED, **fields) -> None:
        self.registry = ContainerRegistry(tuned, HostState(name="h"))
        plain = {"ref": Container(id="c", name="web"), "status": "running", "started_at": NOW - 100}
        self.container = self.registry.upsert(ContainerInfo(**{**plain, **fields}), NOW)

    def measure_disk(self, **fields) -> list[HealthAlert]:
        return read(on_sample.check_disk_use(self.registry, DiskUse("c", **fields), NOW))

    def measure_host(self, *used: int, begin: float = NOW, size: int = 1000) -> list[HealthAlert]:
        """The alerts from one sample every five seconds."""
        return [
            alert
            for number, each in enumerate(used)
            for alert in read(
                on_sample.check_host(
                    self.registry,
                    HostSample(time=begin + 5 * number, disk_size=size, disk_used=each),
                )
            )
        ]

    def probe(self, error: str, now: float = NOW) -> list[HealthAlert]:
        answer = Probed(container_id="c", time=now, error=error)
        return read(on_sample.record_probe(self.registry, answer, now))


def read(alerts) -> list[HealthAlert]:
    return [alert for _, alert in alerts]


# --- limits -----------------------------------------------------------------------------------------


def test_limits_are_the_least_in_effect():
    host = Host(cpu_limit=2.0, memory_limit=900, pids_limit=50)
    assert on_sample.find_limits(host.container, 4000) == ResourceLimits(2.0, 900, 50, has_cpu_limit=True)
    host.container.parent_limits = ParentLimits(cpu=1.5, memory=800, memory_of="/user.slice", pids=40)
    assert on_sample.find_limits(host.container, 4000) == ResourceLimits(
        1.5, 800, 40, has_cpu_limit=True, memory_of="its parent cgroup /user.slice"
    )
    assert on_sample.find_limits(host.container, 700).memory_of == "the host"


def test_container_without_limits_has_one_core_and_the_hosts_memory():
    assert on_sample.find_limits(Host().container, 4000) == ResourceLimits(1.0, 4000, 0, memory_of="the host")
    assert on_sample.find_limits(Host().container, 0) == ResourceLimits(1.0, 0, 0)


# --- samples ----------------------------------------------------------------------------------------


def record(host: Host, *cpu: float, memory: int = 100, received: int = 0) -> None:
    for second, seconds in enumerate(cpu):
        sample = Sample(
            container_id="c",
            time=NOW + second,
            cpu=seconds,
            memory=memory,
            received=received * second,
            sent=received * second,
            parents=ParentLimits(pids=9) if second == 0 else None,
        )
        on_sample.record_sample(host.container, sample, ResourceLimits(2.0, 1000))


def test_sample_sets_rates_and_keeps_the_parents_limits():
    host = Host()
    record(host, 1.0, 1.5, received=30)
    assert host.container.cpu == 50.0
    assert (host.container.traffic.received, host.container.traffic.sent) == (30, 30)
    assert host.container.parent_limits == ParentLimits(pids=9)


def test_usual_share_is_learned_of_cpu_and_memory():
    host = Host(msgspec.structs.replace(TUNED, baseline=True))
    record(host, 1.0, 1.5, 2.0)
    assert host.container.baseline.levels == {Kind.CPU_HIGH: 25.0, Kind.MEMORY_HIGH: 10.0}


def test_nothing_is_learned_when_not_configured_or_during_an_alert():
    host = Host()
    record(host, 1.0, 1.5, 2.0)
    assert host.container.baseline.levels == {}
    host = Host(msgspec.structs.replace(TUNED, baseline=True, window=1.0))
    record(host, 0.0, 0.0, 0.0, memory=999)
    assert host.container.baseline.levels == {}


# --- disks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "facts"),
    [
        ({"size": 1000, "log": 5}, (Evidence("disk_bytes", 1000, "B"), Evidence("threshold", 1000, "B"))),
        ({"size": 999, "log": 100}, (Evidence("log_bytes", 100, "B"), Evidence("threshold", 100, "B"))),
        ({"size": 999, "log": 99}, None),
        ({}, None),
    ],
)
def test_disk_use_at_its_threshold_is_an_alert(use, facts):
    alerts = Host().measure_disk(**use)
    assert [(alert.kind, alert.since, alert.evidence) for alert in alerts] == (
        [] if facts is None else [(Kind.DISK_HIGH, NOW, facts)]
    )


def test_disk_alert_ends_below_nine_tenths_of_both_thresholds():
    host = Host()
    host.measure_disk(size=2000, log=50)
    assert host.measure_disk(size=3000, log=50) == []
    assert host.measure_disk(size=900, log=50) == []
    assert host.measure_disk(size=50, log=90) == []
    assert [alert.phase for alert in host.measure_disk(size=899, log=89)] == [Phase.CLEARED]


def test_disk_use_without_a_threshold_or_container_is_no_alert():
    assert Host(MonitorSettings()).measure_disk(size=10**12, log=10**12) == []
    host = Host()
    assert on_sample.check_disk_use(host.registry, DiskUse("other", size=10**12), NOW) == []


# --- the host's disk --------------------------------------------------------------------------------


def test_full_disk_of_the_host_is_an_alert_after_the_window():
    host = Host()
    assert host.measure_host(900, 950) == []
    (alert,) = host.measure_host(951, begin=NOW + 10)
    assert (alert.kind, alert.container.is_host, alert.container.name) == (Kind.DISK_HIGH, True, "h")
    assert (alert.since, alert.window) == (NOW + 10, 10.0)
    assert alert.evidence == (
        Evidence("disk", 95.1, "%"),
        Evidence("threshold", 90.0, "%"),
        Evidence("disk_free", 49, "B"),
    )
    assert host.measure_host(960, 960, 960, begin=NOW + 15) == []


def test_share_of_the_hosts_disk_is_rounded():
    (alert,) = Host().measure_host(1000, 1000, 1000, size=1099)
    assert alert.evidence[0] == Evidence("disk", 91.0, "%")


def test_host_disk_below_the_threshold_is_no_alert():
    assert Host().measure_host(899, 899, 899, 899) == []
    assert Host().measure_host(0, 0, 0, size=0) == []


def test_host_disk_alert_ends_after_the_window_below():
    host = Host()
    host.measure_host(950, 950, 950)
    assert host.measure_host(700, 700, begin=NOW + 15) == []
    assert [each.phase for each in host.measure_host(700, begin=NOW + 25)] == [Phase.CLEARED]


def test_alert_of_an_earlier_monitor_ends_too():
    host = Host()
    host.registry.incidents.open_incident(host.registry.host_container, Kind.DISK_HIGH, since=NOW - 99)
    assert [each.phase for each in host.measure_host(700, 700, 700)] == [Phase.CLEARED]


# --- probes -----------------------------------------------------------------------------------------


def test_failed_probes_are_an_alert_with_the_masked_error():
    host = Host()
    host.probe("")
    assert host.probe("no answer", NOW + 1) == []
    (alert,) = host.probe("HTTP 500 password=hunter2", NOW + 2)
    assert (alert.kind, alert.since) == (Kind.HUNG, NOW + 1)
    assert [fact.name for fact in alert.evidence] == ["probe"]
    assert "hunter2" not in alert.evidence[0].value
    assert [each.phase for each in host.probe("", NOW + 3)] == [Phase.CLEARED]


def test_probe_that_never_reached_its_container_says_so():
    host = Host()
    host.probe("no route to host")
    (alert,) = host.probe("no route to host", NOW + 1)
    assert alert.evidence[1:] == (Evidence("never_reached", value=True),)


def test_probe_that_cannot_be_sent_is_no_part_of_a_storm():
    registry = ContainerRegistry(msgspec.structs.replace(TUNED, storm_count=2), HostState(name="h"))
    alerts = []
    for name in ("a", "b", "c"):
        ref = Container(id=name, name=name)
        registry.upsert(ContainerInfo(ref=ref, status="running", started_at=NOW - 100), NOW)
        for second in range(2):
            answer = Probed(container_id=name, time=NOW + second, error=ROOTLESS_ENGINE_ERROR)
            alerts += read(on_sample.record_probe(registry, answer, NOW + second))
    assert [(each.container.name, each.kind, each.root) for each in alerts] == [
        (name, Kind.HUNG, "") for name in ("a", "b", "c")
    ]


def test_dependencies_are_inspected_once_when_a_probe_is_reported():
    host, asked = Host(), []
    for second in range(4):
        answer = Probed(container_id="c", time=NOW + second, error="no answer")
        on_sample.record_probe(host.registry, answer, NOW + second, lambda *each: asked.append(each))
    assert asked == [("c", NOW + 1)]


def test_late_probe_of_a_stopped_container_is_ignored():
    host = Host(status="exited")
    assert [host.probe("no answer", NOW + second) for second in range(3)] == [[], [], []]
    assert host.container.probe_state.failures == 0
    assert on_sample.record_probe(host.registry, Probed(container_id="x", time=NOW), NOW) == []
