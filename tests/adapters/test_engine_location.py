"""Whether an engine runs on this machine: shown by its containers, whatever the form of its address."""

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from math import isnan
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from hemostat.adapters.docker_engine import DockerEngine, location
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.adapters.docker_engine.location import EngineLocation, find_location, find_peer, read_location
from hemostat.adapters.docker_engine.version import (
    reaches_container_networks,
    reaches_host_network,
    read_version,
)
from hemostat.app.backends import (
    MAX_EARLY_RETRIES,
    REMOTE_RETRY_SECONDS,
    UNKNOWN_RETRY_SECONDS,
    EngineHost,
    EngineHostProbe,
    FallbackSampler,
    OwnCountersSampler,
    find_obstacle,
    make_host_probe,
)
from hemostat.core.detection.probe import (
    NO_ADDRESS_ERROR,
    OTHER_NETWORK_ERROR,
    REMOTE_ENGINE_ERROR,
    ROOTLESS_ENGINE_ERROR,
    ProbeRoute,
    is_unsent,
)
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import Container, ContainerInfo, PortBinding, Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import EngineUnreachableError
from hemostat.ports import EngineVersion
from tests.support.engine_fixtures import eventually
from tests.support.rule_proxy import Rule, RuleProxy, page, told

ID = "ab" * 32
BOOT = 1_700_000_000
WEB = ProbeTarget("tcp", 80, "")
TICKS = os.sysconf("SC_CLK_TCK")
VERSION = Rule("GET /version", told({"ApiVersion": "1.41", "Version": "20.10.24"}))


class Machine:
    """The /proc of a machine, in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc").mkdir()
        (root / "proc/stat").write_text(f"cpu 1 2 3\nbtime {BOOT}\n")
        (root / "proc/meminfo").write_text("MemTotal: 1024 kB\n")

    def add_process(self, process: int, *, age: int = 100, cgroup: str = "", mounts: str = "") -> None:
        directory = self.root / "proc" / str(process)
        directory.mkdir()
        numbers = " ".join(["0"] * 17)
        (directory / "stat").write_text(f"{process} (a) b) S 42 {numbers} {age * TICKS} 0\n")
        (directory / "cgroup").write_text(f"0::{cgroup}\n")
        (directory / "mountinfo").write_text(f"36 22 0:25 {mounts} /etc/hosts rw - ext4 /dev/sda rw\n")

    def add_network(self, *processes: int | str) -> None:
        """One network namespace, which these processes share."""
        for process in processes:
            directory = self.root / "proc" / str(process) / "net"
            directory.mkdir(parents=True)
            first = self.root / "proc" / str(processes[0]) / "net/dev"
            if process == processes[0]:
                first.touch()
            else:
                (directory / "dev").hardlink_to(first)

    def locate(self, *containers: ContainerInfo, peer: str | None = None) -> EngineLocation:
        return find_location(containers, self.root, peer=peer)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def running(pid: int = 500, age: int = 100) -> ContainerInfo:
    ref = Container(id=ID, name="web", image="i")
    return ContainerInfo(ref=ref, status="running", pid=pid, started_at=float(BOOT + age))


def test_engine_is_local_when_a_container_runs_here(machine):
    machine.add_process(500, cgroup=f"/system.slice/docker-{ID}.scope")
    assert machine.locate(running(pid=7), running())[:2] == (True, 42)


def test_engine_is_remote_when_no_container_runs_here(machine):
    machine.add_process(500, cgroup="/system.slice/sshd.service")
    assert machine.locate(running())[:2] == (False, 0)
    assert machine.locate(running(pid=501))[:2] == (False, 0)


def test_location_is_unknown_while_no_container_runs(machine):
    assert machine.locate()[:2] == (None, 0)
    assert machine.locate(running(pid=0))[:2] == (None, 0)


@pytest.mark.parametrize(("pid", "age"), [(500, 200), (501, 100)])
def test_clone_with_the_same_container_is_remote(machine, pid, age):
    """A clone of a machine has containers of the same id, with other processes or other times."""
    machine.add_process(500, cgroup=f"/docker/{ID}")
    machine.add_process(501, cgroup="/user.slice")
    assert machine.locate(running(pid, age))[:2] == (False, 0)


def test_engine_of_the_container_that_hemostat_runs_in_is_local(machine):
    """The engine's process ids are not those that are visible inside."""
    machine.add_process(1, cgroup="/", mounts=f"/var/lib/docker/containers/{ID}/hosts")
    assert machine.locate(running(pid=4711))[:2] == (True, 0)
    machine.add_process(4711, cgroup="/")
    assert machine.locate(running(pid=4711))[:2] == (True, 0)


@pytest.mark.parametrize(
    ("peer", "is_local"), [("dockerd", True), ("systemd", True), ("ssh", False), ("", False), (None, False)]
)
def test_clock_that_was_set_since_does_not_make_the_engine_remote(machine, peer, is_local):
    """The start that the engine reports is then another one than the kernel's."""
    machine.add_process(500, cgroup=f"/docker/{ID}")
    assert machine.locate(running(age=9_000), peer=peer).is_local is is_local


def test_clock_that_was_set_since_does_not_hide_the_own_container(machine):
    machine.add_process(1, mounts=f"/var/lib/docker/containers/{ID}/hosts")
    assert machine.locate(running(pid=4711, age=9_000), peer="").is_local is True
    assert machine.locate(running(pid=4711, age=9_000), peer="ssh").is_local is False


def test_peer_of_a_socket_is_named_by_its_program(tmp_path):
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        own = Path("/proc/self/comm").read_text().strip()
        assert find_peer(f"unix://{path}") == own
        assert find_peer("tcp://127.0.0.1:1") is None
    assert find_peer(f"unix://{path}") is None


def test_own_container_is_compared_however_many_others_run(machine):
    machine.add_process(1, mounts=f"/var/lib/docker/containers/{ID}/hosts")
    others = [{"Id": f"{number:064d}"} for number in range(9)]
    assert is_local(machine, told([*others, {"Id": ID}])) is True


def test_oldest_containers_show_where_the_engine_runs_despite_new_ones(machine):
    """Others may crash, or start slowly: who creates containers must not hide where the engine runs."""
    machine.add_process(500, cgroup=f"/docker/{ID}")
    crashing = [
        {"Id": f"{number:064d}", "Created": BOOT + 200, "State": "restarting"} for number in range(50)
    ]
    slow = [{"Id": f"{number:064d}", "Created": BOOT + 200, "State": "running"} for number in range(50, 99)]
    rows = [*crashing, *slow, {"Id": ID, "Created": BOOT, "State": "running"}]

    def answer_list(request: str) -> bytes:
        states = json.loads(parse_qs(request.partition("?")[2])["filters"][0])["status"]
        return told([row for row in rows if row["State"] in states])

    assert is_local(machine, answer_list) is True


def is_local(machine, answer):
    """Whether the engine that gives this `answer` to the request for the list runs on the machine. Only the
    container ID exists when it is inspected."""
    started_at = time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(BOOT + 100))
    rules = [
        Rule("GET /containers/json", answer),
        *container_rules(started_at)[1:],
        Rule("GET /containers/0", page(404)),
        VERSION,
    ]
    with RuleProxy(None, *rules, upstream="") as proxy:
        return read_location(ClientPool({"base_url": proxy.url}, 5.0), machine.root).is_local


def test_unreadable_processes_prove_nothing(machine):
    machine.add_process(500, cgroup=f"/docker/{ID}")
    (machine.root / "proc/500/stat").write_text("500 (a)\n")
    assert machine.locate(running())[:2] == (False, 0)
    (machine.root / "proc/stat").write_text("cpu 1 2 3\n")
    assert machine.locate(running())[:2] == (False, 0)


# --- whose network the engine has ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "is_shared"), [([("self", 42)], True), ([("self",), (42,)], False), ([("self",)], None)]
)
def test_network_of_the_engine_is_compared(machine, networks, is_shared):
    machine.add_process(500, cgroup=f"/docker/{ID}")
    for processes in networks:
        machine.add_network(*processes)
    assert machine.locate(running()) == (True, 42, False, is_shared)


@pytest.mark.parametrize(("mode", "is_shared"), [("host", True), ("bridge", False)])
def test_network_of_the_own_container_says_whether_it_is_the_hosts(machine, mode, is_shared):
    machine.add_process(1, mounts=f"/var/lib/docker/containers/{ID}/hosts")
    own = msgspec.structs.replace(running(pid=4711), network_mode=mode)
    assert machine.locate(own) == (True, 0, True, is_shared)


OUTSIDE = EngineLocation(is_local=True, process=42, shares_network=True)
APART = EngineLocation(is_local=True, process=42, shares_network=False)
INSIDE = EngineLocation(is_local=True, is_inside=True, shares_network=False)


@pytest.mark.parametrize(
    ("location", "rootless", "is_podman", "in_container", "host", "containers"),
    [
        (OUTSIDE, False, False, False, True, True),
        (APART, False, False, False, False, False),
        (APART, False, False, True, False, True),  # a container that sees the host's processes
        (INSIDE, False, False, True, False, True),
        (OUTSIDE, True, True, False, True, False),
        (OUTSIDE, True, False, False, False, False),  # rootless Docker whose dockerd is in the host's network
        (INSIDE, True, False, True, False, True),
        (INSIDE._replace(shares_network=True), True, False, True, True, True),
        (APART, True, True, True, False, False),
        (EngineLocation(), False, False, False, None, None),
        (EngineLocation(), True, True, False, None, False),
    ],
)
def test_reach_follows_from_the_location(location, rootless, is_podman, in_container, host, containers):
    assert reaches_host_network(location, rootless=rootless, is_podman=is_podman) is host
    reach = reaches_container_networks(location, rootless=rootless, in_container=in_container)
    assert reach is containers


NO_DRIVER = {"CgroupDriver": "none"}


@pytest.mark.parametrize(
    ("info", "rootless", "has_cgroups", "missing_limits"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=default"], "CgroupDriver": "systemd"}, False, True, ()),
        ({"SecurityOptions": ["name=rootless"], "CgroupVersion": "2"}, True, True, ()),
        (
            {"SecurityOptions": ["name=rootless"], "CgroupVersion": "2", "CgroupDriver": "none"},
            True,
            False,
            (),
        ),
        ({"SecurityOptions": None, "Rootless": True, "CgroupVersion": "1"}, True, False, ()),
        ({"Rootless": False, "CgroupVersion": "1"}, False, True, ()),
        ({"CpuCfsQuota": False, "MemoryLimit": True, "PidsLimit": False}, False, True, ("CPU", "processes")),
    ],
)
def test_engine_says_what_it_may_not_do(info, rootless, has_cgroups, missing_limits):
    rules = [Rule("GET /containers/json", told([])), Rule("GET /info", told(info)), VERSION]
    with RuleProxy(None, *rules, upstream="") as proxy:
        version = read_version(ClientPool({"base_url": proxy.url}, 5.0))
    assert (version.rootless, version.has_cgroups) == (rootless, has_cgroups)
    assert version.missing_limits == missing_limits


# --- the facts of the host where a proxy forbids /info -------------------------------------------------


def container_rules(started_at: str) -> list[Rule]:
    state = {"Status": "running", "Running": True, "Pid": 500, "StartedAt": started_at}
    inspected = {"Id": ID, "Name": "/web", "State": state, "Config": {"Image": "i"}, "HostConfig": {}}
    return [Rule("GET /containers/json", told([{"Id": ID}])), Rule("GET /containers/ab", told(inspected))]


@pytest.mark.parametrize("is_here", [True, False])
def test_facts_of_this_host_are_used_for_a_local_engine_alone(machine, is_here):
    machine.add_process(500, cgroup=f"/docker/{ID if is_here else 'c' * 64}")
    started_at = time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(BOOT + 100))
    rules = [*container_rules(started_at), Rule("GET /info", page(403)), VERSION]
    with RuleProxy(None, *rules, upstream="") as proxy:
        version = read_version(ClientPool({"base_url": proxy.url}, 5.0), machine.root)
    expected = (True, os.cpu_count(), 1 << 20) if is_here else (False, 0, 0)
    assert (version.local, version.cpus, version.memory) == expected
    assert version.address == proxy.url


def test_only_the_location_of_a_known_engine_is_asked_for_again(machine):
    started_at = time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(BOOT + 100))
    info = Rule("GET /info", told({"Name": "web1", "NCPU": 3}))
    with RuleProxy(None, *container_rules(started_at), info, VERSION, upstream="") as proxy:
        pool = ClientPool({"base_url": proxy.url}, 5.0)
        first = read_version(pool, machine.root)
        asked = len(proxy.asked)
        machine.add_process(500, cgroup=f"/docker/{ID}")
        second = read_version(pool, machine.root, first)
        again = proxy.asked[asked:]
    assert (first.local, second.local) == (False, True)
    assert (second.name, second.cpus) == ("web1", 3)
    assert not [each for each in again if "/info" in each or each.endswith("/version")]


def test_engine_that_has_answered_is_only_located():
    """Podman starts a package manager several times for each of the other questions."""
    rules = [Rule("GET /containers/json", told([])), Rule("GET /info", told({"Name": "web1"})), VERSION]
    with RuleProxy(None, *rules, upstream="") as proxy:
        engine = DockerEngine.connect(proxy.url)
        assert EngineHost(engine.locate).find_local() is None
        assert engine.version().name == "web1"
        asked = len(proxy.asked)
        host = EngineHost(engine.locate)
        assert host.find_local() is None
        again = proxy.asked[asked:]
        engine.close()
    assert host.version is not None
    assert host.version.name == "web1"
    assert not [each for each in again if "/info" in each or each.endswith("/version")]


def test_location_is_unknown_when_a_proxy_forbids_the_list(machine):
    rules = [Rule("GET /containers/json|GET /info", page(403)), VERSION]
    with RuleProxy(None, *rules, upstream="") as proxy:
        version = read_version(ClientPool({"base_url": proxy.url}, 5.0), machine.root)
    assert version.local is None


# --- what follows from the location -----------------------------------------------------------------------


class Versions:
    """The answers of an engine about its location, and the time. `facts` are further fields."""

    def __init__(self, *answers: bool | Exception | None, **facts: object) -> None:
        self.answers = list(answers)
        self.facts = facts
        self.now = 100.0
        self.host = EngineHost(self.read, lambda: self.now, self.start)
        self.started: list[Callable[[], None]] | None = None
        """What is to be asked later; None: it is asked at once."""

    def start(self, ask: Callable[[], None]) -> None:
        if self.started is None:
            ask()
        else:
            self.started.append(ask)

    def read(self) -> EngineVersion:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        fields = {"version": "20", "api": "1.41", "name": "h", "root": "/", "cgroup_version": "2"}
        return EngineVersion(**{**fields, "cpus": 1, "memory": 1, "local": answer, **self.facts})


def test_engine_is_asked_again_until_it_is_known_to_be_local():
    remote = [False] * (MAX_EARLY_RETRIES + 1)
    versions = Versions(EngineUnreachableError("gone"), None, *remote, True)
    assert versions.host.find_local() is None
    for wait in (UNKNOWN_RETRY_SECONDS, UNKNOWN_RETRY_SECONDS):
        assert not versions.host.is_remote
        versions.now += wait
        assert versions.host.find_local() is None
    for _ in range(MAX_EARLY_RETRIES):
        assert versions.host.is_remote
        versions.now += UNKNOWN_RETRY_SECONDS
    assert versions.host.find_local() is None
    versions.now += REMOTE_RETRY_SECONDS - 1
    assert versions.host.find_local() is None
    versions.now += 1
    assert versions.host.find_local() is not None
    versions.now += 10 * REMOTE_RETRY_SECONDS
    assert not versions.host.is_remote


def test_nothing_of_this_host_is_measured_for_a_remote_engine(tmp_path):
    probe = EngineHostProbe(Versions(False).host)
    (tmp_path / "log").write_text("x")
    assert probe.measure(1.0) is None
    assert probe.measure_file(str(tmp_path / "log")) is None
    assert probe.read_peers([running(pid=os.getpid())], 1.0) is None
    assert probe.find_missing_path(running()) == ""


def test_containers_of_a_remote_engine_are_not_probed_from_here():
    """The same address may be that of another container on this machine."""
    probe = EngineHostProbe(Versions(False).host)
    assert probe.probe(WEB, ProbeRoute("127.0.0.1"), 1.0) == REMOTE_ENGINE_ERROR


BRIDGE, HOST = ProbeRoute("172.17.0.2"), ProbeRoute("127.0.0.1")
ROOTLESS_DOCKER = {"rootless": True, "process": 42, "reaches_host_network": False}
ROOTLESS_PODMAN = {"rootless": True, "process": 42, "reaches_host_network": True, "is_podman": True}
ELSEWHERE = {"reaches_host_network": False, "reaches_container_networks": False}


@pytest.mark.parametrize(
    ("facts", "route", "obstacle"),
    [
        ({}, BRIDGE, ""),
        ({}, HOST, ""),
        ({}, ProbeRoute(), NO_ADDRESS_ERROR),
        ({"reaches_host_network": True, "reaches_container_networks": True}, BRIDGE, ""),
        ({"reaches_host_network": False, "reaches_container_networks": True}, BRIDGE, ""),
        ({"reaches_host_network": False, "reaches_container_networks": True}, HOST, OTHER_NETWORK_ERROR),
        (ELSEWHERE, BRIDGE, OTHER_NETWORK_ERROR),
        ({**ROOTLESS_DOCKER, "reaches_container_networks": False}, BRIDGE, ROOTLESS_ENGINE_ERROR),
        ({**ROOTLESS_DOCKER, "reaches_container_networks": False}, HOST, OTHER_NETWORK_ERROR),
        ({**ROOTLESS_PODMAN, "reaches_container_networks": False}, BRIDGE, ROOTLESS_ENGINE_ERROR),
        ({**ROOTLESS_PODMAN, "reaches_container_networks": False}, HOST, ""),
        ({**ROOTLESS_PODMAN, "reaches_container_networks": False}, ProbeRoute(), NO_ADDRESS_ERROR),
    ],
)
def test_address_in_another_network_is_not_probed(facts, route, obstacle):
    assert find_obstacle(make_version(**facts), route, WEB) == obstacle


def make_version(**facts: object) -> EngineVersion:
    return Versions(True, **facts).read()


@pytest.mark.parametrize(
    ("facts", "is_used"),
    [
        (ROOTLESS_DOCKER, True),
        (ROOTLESS_PODMAN, True),
        ({**ROOTLESS_PODMAN, "reaches_host_network": False}, False),
        ({**ROOTLESS_DOCKER, "process": 0}, False),
        ({"process": 42}, False),
        ({**ROOTLESS_DOCKER, "local": False, "process": 0}, False),
    ],
)
def test_container_of_a_rootless_engine_is_probed_at_its_published_port(facts, is_used):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        route = ProbeRoute("172.17.0.2", (PortBinding(80, "", port),))
        version = Versions(True, **{"reaches_container_networks": False, **facts})
        error = EngineHostProbe(version.host).probe(WEB, route, 5.0)
    assert (error == "") is is_used
    assert is_unsent(error) is not is_used


def test_this_host_is_measured_for_a_local_engine():
    sample = EngineHostProbe(Versions(True).host).measure(1.0)
    assert sample is not None
    assert sample.disk_size > 0


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def sample(self, containers, now):
        self.calls += 1
        return []

    def read_activity(self, container, now):
        self.calls += 1


@pytest.mark.parametrize("is_local", [True, False])
def test_cgroup_files_are_read_for_a_local_engine_alone(is_local):
    cgroups, stats = Counter(), Counter()
    sampler = FallbackSampler(cgroups, stats, lambda: is_local)
    sampler.sample([running()], 1.0)
    sampler.read_activity(running(), 1.0)
    assert (cgroups.calls, stats.calls) == (2 * is_local, 2)


class Counters(Counter):
    """A sampler whose engine counts more than the container."""

    def sample(self, containers, now):
        return [
            Sample(container_id=ID, time=now, cpu=9.0, memory=5, pids=3, received=1, sent=2, oom_kills=1)
            for _ in containers
        ]

    def read_activity(self, container, now):
        return Activity(time=now, block=7)


def test_cpu_and_memory_of_other_processes_are_left_out():
    """Rootless Docker on cgroup v1 reports the CPU of the host and the memory of the user's session."""
    versions = Versions(True, has_cgroups=False)
    sampler = OwnCountersSampler(Counters(), versions.host)
    versions.host.find_local()
    (sample,) = sampler.sample([running()], 1.0)
    assert isnan(sample.cpu)
    assert (sample.memory, sample.pids, sample.oom_kills) == (0, None, None)
    assert (sample.received, sample.sent) == (1, 2)
    assert sampler.read_activity(running(), 1.0) is None


def test_values_of_an_engine_with_cgroups_are_used():
    versions = Versions(True)
    sampler = OwnCountersSampler(Counters(), versions.host)
    versions.host.find_local()
    assert sampler.sample([running()], 1.0) == Counters().sample([running()], 1.0)
    assert sampler.read_activity(running(), 1.0) == Activity(time=1.0, block=7)


# --- the real engine --------------------------------------------------------------------------------------


@pytest.mark.docker
def test_engine_behind_a_proxy_on_this_machine_is_local(make_container, docker_engine):
    make_container()
    with RuleProxy() as proxy, closing(DockerEngine.connect(proxy.url)) as engine:
        eventually(lambda: engine.version().local)
        assert engine.version().process == docker_engine.version().process > 1
        assert make_host_probe(engine).measure(time.time()) is not None


@pytest.mark.docker
def test_engine_is_local_while_the_youngest_containers_crash(make_container, docker_engine, monkeypatch):
    monkeypatch.setattr(location, "MAX_COMPARED", 3)
    make_container()
    for _ in range(location.MAX_COMPARED):
        make_container(("false",), restart_policy="always")
    assert docker_engine.version().local is True


def test_this_host_is_measured_while_the_place_of_the_engine_is_unknown():
    """A busy host holds actions back: ignorance must not let them through."""
    assert EngineHostProbe(Versions(None).host).measure(1.0) is not None
    assert EngineHostProbe(Versions(False).host).measure(1.0) is None


def test_measurements_do_not_wait_for_an_engine_that_is_asked_again():
    versions = Versions(None, True)
    assert versions.host.find_local() is None
    versions.started = []
    versions.now += UNKNOWN_RETRY_SECONDS
    assert versions.host.find_local() is None
    assert versions.host.find_local() is None
    (ask,) = versions.started
    ask()
    assert versions.host.find_local() is not None
