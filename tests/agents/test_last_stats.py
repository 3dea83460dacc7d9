"""Which values of a container are published, and when; and events about containers that are not watched."""

import msgspec
import pytest

from hemostat.agents.monitor.last_stats import LastStats
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.stop_intent import StopRequest
from hemostat.core.detection.watched_container import RestoredContainers
from hemostat.core.model import ContainerInfo, Disconnected, EngineEvent, Listing, Mode, Sample
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.usage.network import NetworkRates
from hemostat.events import Container, Kind, Phase
from tests.support.monitor_harness import MonitorHarness

NOW = 10_000.0
SAMPLE = Sample(container_id="c", time=NOW, cpu=1.0, memory=64)


class Scene:
    def __init__(self) -> None:
        self.stats = LastStats()
        registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        ref = Container(id="c", name="web")
        info = ContainerInfo(ref=ref, status="running", health="healthy", cpu_limit=0.5, memory_limit=100)
        self.container = registry.upsert(info, NOW)
        self.container.cpu = 12.34
        self.container.traffic = NetworkRates(received=7, sent=9)

    def rename(self, name: str) -> None:
        ref = Container(id="c", name=name)
        self.container.info = msgspec.structs.replace(self.container.info, ref=ref)


def test_values_are_those_of_the_last_sample():
    scene = Scene()
    stats = scene.stats.update(scene.container, SAMPLE, NOW)
    assert (stats.cpu, stats.cpu_limit, stats.memory, stats.memory_limit) == (12.3, 0.5, 64, 100)
    assert (stats.received, stats.sent, stats.state.status) == (7, 9, "running")
    stats = scene.stats.update(scene.container, None, NOW)
    assert (stats.cpu, stats.memory, stats.received, stats.sent) == (None, None, None, None)
    scene.container.cpu = None
    stats = scene.stats.update(scene.container, msgspec.structs.replace(SAMPLE, memory=0), NOW)
    assert (stats.cpu, stats.memory) == (None, None)


@pytest.mark.parametrize(("later", "is_published"), [(0.0, False), (4.9, False), (5.0, True), (-0.1, True)])
def test_unchanged_values_are_published_every_five_seconds(later, is_published):
    scene = Scene()
    scene.stats.update(scene.container, SAMPLE, NOW)
    assert (scene.stats.update(scene.container, SAMPLE, NOW + later) is not None) is is_published


def test_changed_values_are_published_at_once():
    scene = Scene()
    scene.stats.update(scene.container, SAMPLE, NOW)
    scene.container.cpu = 12.36
    assert scene.stats.update(scene.container, SAMPLE, NOW) is not None


def test_removed_and_renamed_containers_are_published_as_removed():
    scene = Scene()
    scene.stats.update(scene.container, SAMPLE, NOW)
    scene.rename("shop")
    scene.stats.update(scene.container, SAMPLE, NOW)
    (removed,) = scene.stats.take_removed(["shop"])
    assert (removed.container.name, removed.state.status, removed.state.health) == ("web", "removed", None)
    assert removed.cpu is None
    scene.stats.remove("c")
    scene.stats.remove("c")
    assert [each.container.name for each in scene.stats.take_removed([])] == ["shop"]
    assert scene.stats.take_removed([]) == []


def test_name_in_use_is_not_published_as_removed():
    scene = Scene()
    scene.stats.update(scene.container, SAMPLE, NOW)
    scene.stats.remove("c")
    assert scene.stats.take_removed(["web"]) == []
    assert scene.stats.take_removed([]) == []


# --- events -----------------------------------------------------------------------------------------


def send(watch: MonitorHarness, container: str, action: str, **fields) -> None:
    ref = watch.engine._boxes[container].ref
    watch.tell(EngineEvent(time=watch.clock.now(), action=action, container=ref, **fields))


@pytest.mark.parametrize(
    ("action", "signal", "is_recorded"),
    [("kill", 15, True), ("stop", None, True), ("kill", 1, False), ("pause", None, False)],
)
def test_stop_of_an_unwatched_dependency_is_recorded(action, signal, is_recorded):
    watch = MonitorHarness()
    db = watch.make(name="db", labels={"hemostat.enable": "false"})
    send(watch, db, action, signal=signal)
    stop = watch.monitor._registry.stops.get(db)
    assert (stop is not None) is is_recorded
    assert stop is None or isinstance(stop, StopRequest)
    assert not (stop and stop.ours)


def test_rename_closes_the_incidents_under_the_former_name():
    watch = MonitorHarness()
    web = watch.make(health=("true",))
    watch.sample()
    watch.engine.set_health(web, "unhealthy")
    watch.sample(2)
    assert watch.told() == [(Kind.UNHEALTHY, Phase.RAISED)]
    send(watch, web, "update")
    assert len(watch.alerts) == 1
    send(watch, web, "rename")
    assert watch.told()[1:2] == [(Kind.UNHEALTHY, Phase.CLEARED)]


@pytest.mark.parametrize(
    ("action", "is_interrupted"), [("pause", True), ("unpause", True), ("update", False)]
)
def test_measurements_begin_again_after_a_pause(action, is_interrupted):
    watch = MonitorHarness()
    web = watch.make()
    watch.sample(3)
    send(watch, web, action)
    assert (watch.monitor._registry.get(web).usage.last is None) is is_interrupted


def test_trouble_of_the_engine_ends_with_the_next_connection():
    watch = MonitorHarness()
    watch.tell(Disconnected("refused"))
    assert watch.monitor.engine_trouble == "refused"
    rows = tuple(watch.engine.list_containers())
    watch.tell(Listing(rows))
    watch.tell(Listing(rows, thorough=True))
    assert watch.monitor.engine_trouble == "refused"
    watch.tell(Listing(rows, thorough=True, connected=True))
    assert watch.monitor.engine_trouble == ""


def test_disks_are_measured_where_a_label_sets_a_threshold():
    watch = MonitorHarness()
    for name, labels in (("a", {"hemostat.disk": "1g"}), ("b", {"hemostat.log": "1g"}), ("c", {})):
        watch.make(name=name, labels=labels)
    assert [info.ref.name for info in watch.monitor.list_disk_measured()] == ["a", "b"]
    assert [info.ref.name for info in watch.monitor.list_running()] == ["a", "b", "c"]


def test_mode_is_remembered():
    watch = MonitorHarness()
    watch.tell(Mode("dry-run"))
    assert watch.monitor._registry.mode == Mode("dry-run")
    state = watch.monitor._registry.dump_state()
    earlier = msgspec.structs.replace(state, responder_mode=None, mode="dry-run")
    for each, mode in (
        (state, Mode("dry-run")),
        (earlier, Mode("dry-run")),
        (RestoredContainers(), Mode("")),
    ):
        watch.monitor._registry.restore(each)
        assert watch.monitor._registry.mode == mode
