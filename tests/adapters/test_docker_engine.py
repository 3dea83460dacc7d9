"""What only a real engine can show: lost connections, refusals, and both samplers on one container."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.adapters.sampling.cgroups import CgroupSampler
from hemostat.adapters.sampling.docker_stats import StatsSampler
from hemostat.core.model import Connected, ContainerInfo, Disconnected
from hemostat.errors import EngineError, EngineSilentError, EngineUnreachableError
from tests.support.engine_fixtures import SESSION, Listener, eventually, spec
from tests.support.proxy import Proxy

pytestmark = pytest.mark.docker

MIB = 1 << 20
FULL = "/root/full"
HOG = ("sh", "-c", f"dd if=/dev/zero of=/dev/shm/hog bs=1M count=32 && touch {FULL} && sleep 1000")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path / "engine.sock")
    yield proxy
    if proxy.path.exists():
        proxy.cut()


@pytest.fixture
def engine(proxy: Proxy) -> Iterator[DockerEngine]:
    engine = DockerEngine.connect(f"unix://{proxy.path}")
    yield engine
    engine.close()


def test_reconnected_stream_has_each_event_once(
    proxy: Proxy, engine: DockerEngine, docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    listener = Listener(engine)
    try:
        listener.wait_for_connections(1)
        container = make_container()
        listener.wait_for(container, "start")
        proxy.cut()
        eventually(lambda: any(isinstance(item, Disconnected) for item in listener.heard))
        docker_engine.stop(container, timeout=5)
        proxy.open()
        listener.wait_for(container, "stop")
        docker_engine.start(container)
        eventually(lambda: listener.actions(container).count("start") == 2)
    finally:
        engine.close()
    assert listener.join()
    assert listener.actions(container) == ["create", "start", "kill", "die", "stop", "start"]
    turns = [type(item) for item in listener.heard if isinstance(item, Connected | Disconnected)]
    # An outage is told again when its cause changes: the stream ended, then nobody listens.
    assert (turns[0], {*turns[1:-1]}, turns[-1]) == (Connected, {Disconnected}, Connected)


def test_calls_on_a_dead_connection_raise_engine_unreachable(proxy: Proxy, engine: DockerEngine) -> None:
    assert engine.version().cpus > 0
    proxy.cut()
    for call in (engine.inspect_everything, engine.version, lambda: engine.restart("any")):
        with pytest.raises(EngineUnreachableError, match="no Docker Engine answers"):
            call()
    proxy.open()
    assert engine.version().cpus > 0


def test_address_without_an_engine_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachableError, match="No such file or directory") as raised:
        DockerEngine.connect(f"unix://{tmp_path}/none.sock")
    assert raised.value.transient


def test_engine_that_accepts_and_does_not_answer_is_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mute.sock"))
        listener.listen()
        with pytest.raises(EngineSilentError, match="does not answer in time") as raised:
            DockerEngine.connect(f"unix://{tmp_path}/mute.sock", timeout=0.1)
    assert raised.value.transient


@pytest.mark.parametrize("url", ["nonsense", "tcp://", "gopher://127.0.0.1"])
def test_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(EngineUnreachableError, match="invalid address of the Docker Engine") as raised:
        DockerEngine.connect(url)
    assert not raised.value.transient


def test_missing_context_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "hs-test-no-such-context")
    with pytest.raises(EngineUnreachableError, match="hs-test-no-such-context") as raised:
        DockerEngine.connect()
    assert not raised.value.transient


def test_docker_host_selects_the_engine(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
    engine = DockerEngine.connect()
    proxy.cut()
    with pytest.raises(EngineUnreachableError, match=str(proxy.path)):
        engine.version()
    engine.close()


def test_close_ends_a_stream_that_waits_to_reconnect(proxy: Proxy, engine: DockerEngine) -> None:
    listener = Listener(engine)
    listener.wait_for_connections(1)
    proxy.cut()
    eventually(lambda: any(isinstance(item, Disconnected) for item in listener.heard))
    engine.close()
    assert listener.join()


def test_several_threads_share_one_engine_client(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    containers = [make_container() for _ in range(3)]
    found: list[str] = []

    def restart(container: str) -> None:
        docker_engine.restart(container, timeout=5)
        found.append(docker_engine.inspect(container).ref.id)

    threads = [threading.Thread(target=restart, args=(container,)) for container in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(found) == sorted(containers)


def test_container_removed_during_a_list_is_left_out(
    docker_engine: DockerEngine, make_container: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    container = make_container()
    listed = [{"Id": "f" * 64}, {"Id": container}]
    monkeypatch.setattr(docker.APIClient, "containers", lambda *_, **__: listed)
    assert [info.ref.id for info in docker_engine.inspect_everything()] == [container]


def test_container_that_cannot_start_is_removed(docker_workshop: DockerTestContainers) -> None:
    wanted = spec(("/no/such/program",))
    with pytest.raises(EngineError, match="/no/such/program"):
        docker_workshop.run(wanted)
    names = [info.ref.name for info in docker_workshop.find(f"hemostat.test={SESSION}")]
    assert wanted.name not in names


def test_logs_are_the_decoded_tail_of_both_streams(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    script = "echo one; echo two; printf 'br\\377ken\\n' >&2; sleep 1000"
    container = make_container(("sh", "-c", script))
    eventually(lambda: "ken" in docker_engine.logs(container))
    assert sorted(docker_engine.logs(container).splitlines()) == ["br\ufffdken", "one", "two"]
    assert len(docker_engine.logs(container, tail=2).splitlines()) == 2


def test_oom_kill_is_reported_as_an_event(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    script = "sleep 0.5; head -c 64000000 /dev/zero | tail"
    container = make_container(("sh", "-c", script), memory=8 * MIB)
    eventually(lambda: not docker_engine.inspect(container).is_running)
    info = docker_engine.inspect(container)
    assert info.oom_killed
    assert info.exit_code == 137


def test_both_samplers_agree_on_one_container(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    container = make_container(HOG)
    eventually(lambda: docker_engine.exec(container, ["test", "-e", FULL])[0] == 0)
    info = docker_engine.inspect(container)
    cgroups, stats = CgroupSampler(), StatsSampler(docker_engine.read_stats)
    try:
        assert cgroups.is_usable(info)
        (near,) = cgroups.sample([info], 1.0)
        (far,) = stats.sample([info], 1.0)
    finally:
        cgroups.close()
        stats.close()
    assert 32 * MIB <= near.memory < 40 * MIB
    assert near.memory == pytest.approx(far.memory, abs=4 * MIB)
    assert near.cpu > 0
    assert near.cpu == pytest.approx(far.cpu, abs=1.0)
    here, there = cgroups.read_activity(info, 1.0), stats.read_activity(info, 1.0)
    assert here is not None
    assert there is not None
    assert here.received == pytest.approx(there.received, abs=10_000)
    assert here.threads


def test_stats_streams_follow_containers_and_are_closed(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    infos = [docker_engine.inspect(make_container()) for _ in range(3)]
    before = threading.active_count(), open_files()
    sampler = StatsSampler(docker_engine.read_stats, docker_engine.follow_stats, streams=2)
    assert len(sampler.sample(infos, 1.0)) == 3
    docker_engine.stop(infos[0].ref.id, timeout=5)
    eventually(lambda: [sample.container_id for sample in sampler.sample(infos, 1.0)] == ids(infos[1:]))
    docker_engine.start(infos[0].ref.id)
    infos[0] = docker_engine.inspect(infos[0].ref.id)
    eventually(lambda: len(sampler.sample(infos, 1.0)) == 3)
    sampler.close()
    eventually(lambda: (threading.active_count(), open_files()) == before)


def test_close_ends_the_stats_streams(
    proxy: Proxy, engine: DockerEngine, docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    info = docker_engine.inspect(make_container())
    sampler = StatsSampler(engine.read_stats, engine.follow_stats)
    assert len(sampler.sample([info], 1.0)) == 1
    engine.close()
    eventually(lambda: not sampler._streams)
    sampler.close()


def ids(infos: list[ContainerInfo]) -> list[str]:
    return [info.ref.id for info in infos]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_cgroup_files_of_a_stopped_container_are_closed(
    docker_engine: DockerEngine, make_container: Callable[..., str]
) -> None:
    container = make_container()
    info = docker_engine.inspect(container)
    sampler = CgroupSampler()
    assert len(sampler.sample([info], 1.0)) == 1
    docker_engine.stop(container, timeout=5)
    assert sampler.sample([info], 2.0) == []
    assert not sampler.is_usable(info)
    assert sampler._readers == {}
    docker_engine.start(container)
    assert len(sampler.sample([docker_engine.inspect(container)], 3.0)) == 1
    sampler.close()
