"""Cgroup files as each version and driver lays them out, in a tree of our own."""

import shutil
from math import isnan
from pathlib import Path

import pytest
from msgspec.structs import replace

from hemostat.adapters.sampling.cgroups import CgroupSampler
from hemostat.adapters.sampling.cgroups.activity import MAX_PROCESSES, TICK_SECONDS
from hemostat.adapters.sampling.cgroups.reader import DETAIL_ROUNDS, CgroupReader
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo, ParentLimits, Sample

ID = "4f" * 32
PID = 4242

V1_MOUNTS = """\
24 30 0:22 / /proc rw,nosuid - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
37 31 0:34 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2_MOUNTS = "35 31 0:29 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

V1_CONTROLLERS = ("pids", "memory", "cpu,cpuacct", "blkio", "freezer")

V2_PATHS = [
    f"/docker/{ID}",
    f"/system.slice/docker-{ID}.scope",
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
    f"/machine.slice/libpod-{ID}.scope",
]
POD = "ab" * 32
USER_SLICE = "/user.slice/user-1000.slice/user@1000.service/user.slice"
PODMAN_PATHS = {
    "rootless": (f"{USER_SLICE}/libpod-{ID}.scope", "/container"),
    "pod": (f"/machine.slice/machine-libpod_pod_{POD}.slice/libpod-{ID}.scope", "/container"),
    "rootless-pod": (f"{USER_SLICE}/user-libpod_pod_{POD}.slice/libpod-{ID}.scope", ""),
    "cgroupfs": (f"/libpod_parent/libpod-{ID}", ""),
    "cgroupfs-pod": (f"/libpod_parent/{POD}/libpod-{ID}", ""),
    "quadlet": (f"/system.slice/web.service/libpod-payload-{ID}", ""),
    "rootless-quadlet": (f"{USER_SLICE[:-11]}/app.slice/web.service/libpod-payload-{ID}", ""),
}
"""Paths by Podman's way to run the container, and where its process is below."""


NET_DEV = """\
Inter-|   Receive                          |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:    5000       1    0    0    0     0          0         0     5000       1    0    0
  eth0:    1200       2    0    0    0     0          0         0      300       1    0    0
  eth1:34 1 0 0 0 0 0 0 7 1 0 0
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             96365                96365                processes
Max open files            1024                 524288               files
"""


def info(
    container: str = ID,
    pid: int = PID,
    started_at: float = 1.0,
    network: str = "bridge",
    cpus: float | None = None,
) -> ContainerInfo:
    return ContainerInfo(
        ref=build_reference(container, "web", "nginx", {}),
        status="running" if pid else "exited",
        pid=pid,
        started_at=started_at,
        network_mode=network,
        cpu_limit=cpus,
    )


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Tree:
    """A root directory as the kernel would fill it."""

    def __init__(self, root: Path, mounts: str) -> None:
        self.root = root
        self.write("proc/self/mountinfo", mounts)

    def write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def v1(self, path: str, pid: int = PID) -> None:
        self.write(f"proc/{pid}/cgroup", f"8:pids:/\n4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/\n")
        self.write(f"sys/fs/cgroup/cpu,cpuacct{path}/cpuacct.usage", "2500000000\n")
        self.write(f"sys/fs/cgroup/memory{path}/memory.usage_in_bytes", "50000\n")
        self.write(
            f"sys/fs/cgroup/memory{path}/memory.stat",
            "inactive_file 1\ntotal_inactive_file 20000\ntotal_x 9\n",
        )

    def v2(self, path: str, pid: int = PID, below: str = "") -> None:
        self.write(f"proc/{pid}/cgroup", f"0::{path}{below}\n")
        self.write(f"sys/fs/cgroup{path}/cpu.stat", "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n")
        self.write(f"sys/fs/cgroup{path}/memory.current", "50000\n")
        self.write(f"sys/fs/cgroup{path}/memory.stat", "anon 7\nfile 8\ninactive_file 20000\n")

    def busy(
        self,
        pid: int,
        *,
        parent: int,
        session: int,
        threads: dict[int, tuple[int, int, int]],
    ) -> None:
        """What /proc tells of a process; of each thread its user and system ticks and its switches."""
        self.write(f"proc/{pid}/io", "rchar: 100\nwchar: 200\nsyscr: 9\nread_bytes: 7\nwrite_bytes: 4\n")
        for number, (user, system, switches) in {pid: (0, 0, 0), **threads}.items():
            stat = f"R {parent} 9 {session} 0 -1 0 10 0 2 0 {user} {system} 0 0 20 0 1 0 4711 0 0\n"
            self.write(f"proc/{pid}/task/{number}/stat", f"{number} (a) b) {stat}")
            text = f"Name:\tx\nvoluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t4\n"
            self.write(f"proc/{pid}/task/{number}/status", text)
            self.write(f"proc/{pid}/stat", f"{pid} (a) b) {stat}")

    def v1_rest(self, path: str) -> None:
        """What v1 tells besides CPU and memory."""
        self.write(f"proc/{PID}/cgroup", "".join(f"3:{each}:{path}\n" for each in V1_CONTROLLERS))
        self.write(f"sys/fs/cgroup/cpu,cpuacct{path}/cpu.stat", "nr_periods 90\nnr_throttled 12\n")
        memory = "inactive_file 1\nactive_file 2\ntotal_inactive_file 20000\ntotal_active_file 4000\n"
        self.write(f"sys/fs/cgroup/memory{path}/memory.stat", memory)
        oom = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
        self.write(f"sys/fs/cgroup/memory{path}/memory.oom_control", oom)
        self.write(f"sys/fs/cgroup/pids{path}/pids.current", "6\n")
        io = "8:0 Read 4096\n8:0 Write 100\n8:0 Total 4196\n8:16 Read 4\n8:16 Write 20\nTotal 4220\n"
        self.write(f"sys/fs/cgroup/blkio{path}/blkio.throttle.io_service_bytes_recursive", io)

    def v2_rest(self, path: str) -> None:
        """What v2 tells besides CPU and memory."""
        cpu = "usage_usec 2500000\nuser_usec 1\nnr_periods 90\nnr_throttled 12\nthrottled_usec 5\n"
        self.write(f"sys/fs/cgroup{path}/cpu.stat", cpu)
        self.write(f"sys/fs/cgroup{path}/memory.stat", "anon 7\ninactive_file 20000\nactive_file 4000\n")
        self.write(f"sys/fs/cgroup{path}/memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\n")
        self.write(f"sys/fs/cgroup{path}/pids.current", "6\n")
        io = "8:0 rbytes=4096 wbytes=100 rios=9 wios=9\n8:16 rbytes=4 wbytes=20 rios=1 wios=1\n"
        self.write(f"sys/fs/cgroup{path}/io.stat", io)
        full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        self.write(
            f"sys/fs/cgroup{path}/memory.pressure",
            f"some avg10=1.25 avg60=0.10 avg300=0.00 total=1\n{full}",
        )

    def process(self, files: int = 3) -> None:
        self.write(f"proc/{PID}/net/dev", NET_DEV)
        self.write(f"proc/{PID}/limits", LIMITS)
        for number in range(files):
            self.write(f"proc/{PID}/fd/{number}", "")

    def sample(self, *containers: ContainerInfo) -> list[Sample]:
        sampler = CgroupSampler(self.root)
        try:
            return sampler.sample(containers or [info()], 5.0)
        finally:
            sampler.close()


EXPECTED = [Sample(container_id=ID, time=5.0, cpu=2.5, memory=30_000, parents=ParentLimits())]


@pytest.mark.parametrize("path", [f"/docker/{ID}", f"/system.slice/docker-{ID}.scope"])
def test_version_1_is_read_with_either_driver(tmp_path: Path, path: str) -> None:
    tree = Tree(tmp_path, V1_MOUNTS)
    tree.v1(path)
    assert tree.sample() == EXPECTED
    assert CgroupSampler(tmp_path).is_usable(info())


@pytest.mark.parametrize("path", V2_PATHS)
def test_version_2_is_read_with_every_driver(tmp_path: Path, path: str) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(path)
    assert tree.sample() == EXPECTED
    assert CgroupSampler(tmp_path).is_usable(info())


def test_process_in_a_child_cgroup_leads_to_the_container(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[3], below="/container/init.scope")
    assert tree.sample() == EXPECTED


def test_mount_of_a_part_of_the_hierarchy_is_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS.replace("0:29 / /sys", "0:29 /lxc/one /sys"))
    tree.v2(f"/docker/{ID}")
    tree.write(f"proc/{PID}/cgroup", f"0::/lxc/one/docker/{ID}\n")
    assert tree.sample() == EXPECTED


def test_pid_reused_by_another_container_is_ignored(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(f"/docker/{'aa' * 32}")
    tree.write(f"proc/{PID}/net/dev", "a\nb\n eth0: 9 0\n")
    assert tree.sample() == []
    assert not CgroupSampler(tmp_path).is_usable(info())
    assert CgroupSampler(tmp_path).read_activity(info(), 5.0) is None


def test_memory_is_not_negative_when_cache_exceeds_usage(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    tree.write(f"sys/fs/cgroup{V2_PATHS[0]}/memory.stat", "inactive_file 60000\n")
    assert [sample.memory for sample in tree.sample()] == [50_000]


def test_unreadable_container_is_skipped_and_others_are_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    absent, stopped = info("bb" * 32, pid=77), info("cc" * 32, pid=0)
    assert tree.sample(absent, info(), stopped) == EXPECTED


def test_malformed_files_affect_only_their_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(*_: object) -> None:
        raise OverflowError("int too large to convert to float")

    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    monkeypatch.setattr(CgroupReader, "read", overflow)
    assert CgroupSampler(tmp_path).sample([info()], 1.0) == []


@pytest.mark.parametrize("missing", ["cpu.stat", "memory.current", "memory.stat"])
def test_missing_controller_makes_the_files_incomplete(tmp_path: Path, missing: str) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    (tmp_path / f"sys/fs/cgroup{V2_PATHS[0]}" / missing).unlink()
    open_before = open_files()
    assert not CgroupSampler(tmp_path).is_usable(info())
    assert len(tree.sample()) == 1, "the other value is reported"
    assert open_files() == open_before


def test_machine_without_cgroups_has_no_usable_container(tmp_path: Path) -> None:
    assert not CgroupSampler(tmp_path).is_usable(info())


def test_counters_are_read_again_and_descriptors_are_closed(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    open_before = open_files()
    sampler = CgroupSampler(tmp_path)
    sampler.sample([info()], 5.0)
    (tmp_path / f"sys/fs/cgroup{V2_PATHS[0]}/memory.current").write_text("90000\n")
    assert [sample.memory for sample in sampler.sample([info()], 6.0)] == [70_000]
    assert sampler.sample([], 7.0) == []
    assert open_files() == open_before


def test_restarted_container_is_looked_up_again(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    sampler = CgroupSampler(tmp_path)
    sampler.sample([info()], 5.0)
    tree.v2(V2_PATHS[1], pid=PID + 1)
    tree.write(f"sys/fs/cgroup{V2_PATHS[1]}/memory.current", "70000\n")
    again = info(pid=PID + 1, started_at=2.0)
    assert [sample.memory for sample in sampler.sample([again], 6.0)] == [50_000]
    sampler.close()


def test_lowest_limit_of_parent_cgroups_applies_in_version_2(tmp_path: Path) -> None:
    tree, top = Tree(tmp_path, V2_MOUNTS), "sys/fs/cgroup"
    tree.v2(f"/team.slice/team-web.slice/docker-{ID}.scope")
    tree.write(f"{top}/cgroup.procs", "")
    for slice_, memory, cpu, pids in (
        ("team.slice", "64000000", "150000 100000", "max"),
        ("team.slice/team-web.slice", "max", "max 100000", "50"),
    ):
        tree.write(f"{top}/{slice_}/cgroup.procs", "")
        tree.write(f"{top}/{slice_}/memory.max", f"{memory}\n")
        tree.write(f"{top}/{slice_}/cpu.max", f"{cpu}\n")
        tree.write(f"{top}/{slice_}/pids.max", f"{pids}\n")
    (sample,) = tree.sample()
    assert sample.parents == ParentLimits(memory=64_000_000, memory_of="/team.slice", cpu=1.5, pids=50)


def test_lowest_limit_of_parent_cgroups_applies_in_version_1(tmp_path: Path) -> None:
    tree, top = Tree(tmp_path, V1_MOUNTS), "sys/fs/cgroup"
    tree.v1(f"/team/web/{ID}")
    tree.v1_rest(f"/team/web/{ID}")
    for above, memory, quota in (("", 2**63 - 4096, -1), ("team", 2**63 - 4096, 50000), ("team/web", 64, -1)):
        for controller in ("memory", "cpu,cpuacct"):
            tree.write(f"{top}/{controller}/{above}/cgroup.procs", "")
        tree.write(f"{top}/memory/{above}/memory.limit_in_bytes", f"{memory}\n")
        tree.write(f"{top}/cpu,cpuacct/{above}/cpu.cfs_quota_us", f"{quota}\n")
        tree.write(f"{top}/cpu,cpuacct/{above}/cpu.cfs_period_us", "100000\n")
    (sample,) = tree.sample()
    assert sample.parents == ParentLimits(memory=64, memory_of="/team/web", cpu=0.5)


@pytest.fixture
def active(tmp_path: Path) -> Tree:
    """A container of two processes, the second of which has two threads and is a job of its own."""
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    tree.process()
    tree.write(f"sys/fs/cgroup{V2_PATHS[0]}/cgroup.procs", f"{PID}\n")
    tree.write(f"sys/fs/cgroup{V2_PATHS[0]}/below/cgroup.procs", "77\n")
    tree.busy(PID, parent=1, session=PID, threads={PID: (100, 20, 5)})
    tree.busy(77, parent=PID, session=77, threads={77: (200, 0, 0), 78: (0, 50, 9)})
    return tree


def test_activity_lists_every_process_and_thread(active: Tree) -> None:
    found = CgroupSampler(active.root).read_activity(info(), 5.0)
    assert found is not None
    assert (found.received, found.sent, found.local, found.cpu) == (1234, 307, 5000, 2.5)
    assert (found.moved, found.faults) == ({PID: 300, 77: 300}, {PID: 12, 77: 12})
    assert found.storage == {PID: 11, 77: 11}
    assert [(each.process, each.thread, each.switches, each.is_job) for each in found.threads or ()] == [
        (PID, PID, 5, False),
        (77, 77, 0, True),
        (77, 78, 9, True),
    ]
    assert (found.threads or ())[0].user == pytest.approx(100 * TICK_SECONDS)


@pytest.mark.parametrize(("session", "is_job"), [(77, True), (76, False), (PID, False)])
def test_exec_process_is_a_job_while_its_session_leader_lives(
    active: Tree, session: int, is_job: bool
) -> None:
    """It is started from outside the container. Its orphans belong to the container."""
    active.busy(77, parent=1, session=session, threads={77: (200, 0, 0)})
    found = CgroupSampler(active.root).read_activity(info(), 5.0)
    assert found is not None
    assert [each.is_job for each in found.threads or () if each.process == 77] == [is_job, is_job]


def test_host_network_counters_are_not_the_containers(active: Tree) -> None:
    found = CgroupSampler(active.root).read_activity(info(network="host"), 5.0)
    assert found is not None
    assert (found.received, found.sent, found.local) == (None, None, None)
    assert CgroupSampler(active.root).read_activity(info(pid=PID + 1), 5.0) is None


def test_container_with_too_many_processes_has_no_activity(active: Tree) -> None:
    """Each takes time, for which the other containers are not looked at."""
    pids = "".join(f"{pid}\n" for pid in range(100_000, 100_000 + MAX_PROCESSES))
    active.write(f"sys/fs/cgroup{V2_PATHS[0]}/below/cgroup.procs", pids)
    found = CgroupSampler(active.root).read_activity(info(), 5.0)
    assert found is not None
    assert (found.moved, found.faults, found.threads) == (None, None, None)
    assert found.cpu == 2.5


def test_ended_process_is_left_out_of_the_activity(active: Tree) -> None:
    shutil.rmtree(active.root / "proc/77")
    found = CgroupSampler(active.root).read_activity(info(), 5.0)
    assert found is not None
    assert found.moved == {PID: 300}


def test_activity_is_unknown_when_a_process_is_unreadable(active: Tree) -> None:
    active.write("proc/77/io", "rchar: nonsense\n")
    found = CgroupSampler(active.root).read_activity(info(), 5.0)
    assert found is not None
    assert (found.moved, found.threads) == (None, None)


FULL = Sample(
    container_id=ID,
    time=5.0,
    cpu=2.5,
    memory=30_000,
    cache=4_000,
    periods=90,
    throttled=12,
    pids=6,
    received=1234,
    sent=307,
    descriptors=3,
    descriptors_limit=1024,
    oom_kills=3,
    parents=ParentLimits(),
)


@pytest.fixture(params=["v1", "v2"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    """A container of which everything can be read that this version of cgroups counts."""
    if request.param == "v1":
        tree = Tree(tmp_path, V1_MOUNTS)
        tree.v1(V2_PATHS[1])
        tree.v1_rest(V2_PATHS[1])
    else:
        tree = Tree(tmp_path, V2_MOUNTS)
        tree.v2(V2_PATHS[1])
        tree.v2_rest(V2_PATHS[1])
    tree.process()
    return tree


def dear(sample: Sample) -> bool:
    return sample.pressure is not None


def test_every_available_counter_is_read(full: Tree) -> None:
    (sample,) = full.sample(info(cpus=0.5))
    assert replace(sample, pressure=None) == FULL
    assert sample.pressure == (1.25 if (full.root / "sys/fs/cgroup/system.slice").exists() else None)


def read_block_io(tree: Tree) -> int | None:
    activity = CgroupSampler(tree.root).read_activity(info(), 5.0)
    assert activity is not None
    return activity.block


def test_block_io_of_all_devices_is_read_with_the_activity(full: Tree) -> None:
    assert read_block_io(full) == 4220


@pytest.mark.parametrize("missing", ["io.stat", "blkio.throttle.io_service_bytes_recursive"])
def test_block_io_that_is_not_counted_is_unknown(full: Tree, missing: str) -> None:
    for path in full.root.rglob(missing):
        path.unlink()
    has_v1 = (full.root / "sys/fs/cgroup/memory").exists()
    assert read_block_io(full) == (4220 if has_v1 == (missing == "io.stat") else None)


def test_container_without_cpu_quota_has_no_periods(full: Tree) -> None:
    (sample,) = full.sample(info())
    assert (sample.periods, sample.throttled) == (0, 0)


def test_count_of_open_files_is_unknown_above_the_limit(full: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemostat.adapters.sampling.cgroups.reader.MAX_COUNTED_FILES", 2)
    (sample,) = full.sample()
    assert (sample.descriptors, sample.descriptors_limit) == (None, 1024)


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("pids.current", "pids"),
        ("memory.events", "oom_kills"),
        ("memory.oom_control", "oom_kills"),
        ("memory.pressure", "pressure"),
        ("net/dev", "received"),
        ("limits", "descriptors_limit"),
    ],
)
def test_missing_counters_are_unknown_and_others_are_read(full: Tree, missing: str, field: str) -> None:
    for path in full.root.rglob(missing):
        path.unlink()
    (sample,) = full.sample(info())
    assert (sample.cpu, sample.memory) == (2.5, 30_000)
    if (full.root / "sys/fs/cgroup/memory").exists() == (missing != "memory.events"):
        assert getattr(sample, field) is None


def test_open_files_of_another_users_process_are_unknown(full: Tree) -> None:
    shutil.rmtree(full.root / f"proc/{PID}/fd")
    (sample,) = full.sample(info())
    assert (sample.descriptors, sample.descriptors_limit, sample.memory) == (None, 1024, 30_000)


def test_process_without_limit_of_open_files_has_none(full: Tree) -> None:
    full.write(f"proc/{PID}/limits", LIMITS.replace("1024  ", "unlimited"))
    assert [sample.descriptors_limit for sample in full.sample(info())] == [None]


def test_block_io_of_an_older_kernel_is_read(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V1_MOUNTS)
    tree.v1(V2_PATHS[0])
    tree.v1_rest(V2_PATHS[0])
    tree.write(f"sys/fs/cgroup/pids{V2_PATHS[0]}/cgroup.procs", "")
    directory = tmp_path / f"sys/fs/cgroup/blkio{V2_PATHS[0]}"
    name = "blkio.throttle.io_service_bytes"
    (directory / f"{name}_recursive").rename(directory / name)
    assert read_block_io(tree) == 4220


def test_host_network_belongs_to_no_container(full: Tree) -> None:
    (sample,) = full.sample(info(network="host"))
    assert (sample.received, sample.sent, sample.pids) == (None, None, 6)


def test_first_sample_is_complete_and_later_ones_alternate(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    containers = [info(f"{number:064x}", pid=PID + number) for number in range(10)]
    for each in containers:
        tree.v2(f"/docker/{each.ref.id}", pid=each.pid)
        tree.v2_rest(f"/docker/{each.ref.id}")
    sampler = CgroupSampler(tmp_path)
    assert all(dear(sample) for sample in sampler.sample(containers, 1.0))
    rounds = [sampler.sample(containers, 2.0 + number) for number in range(DETAIL_ROUNDS)]
    assert [sum(map(dear, samples)) for samples in rounds] == [2] * DETAIL_ROUNDS
    assert {sample.container_id for samples in rounds for sample in samples if dear(sample)} == {
        each.ref.id for each in containers
    }
    assert all(sample.pids == 6 for samples in rounds for sample in samples)
    sampler.close()


def test_oom_kill_is_seen_in_the_round_in_which_usage_changes(full: Tree) -> None:
    sampler = CgroupSampler(full.root)
    sampler.sample([info()], 1.0)
    for name, text in (("memory.events", "oom 5\noom_kill 4\n"), ("memory.oom_control", "oom_kill 4\n")):
        for path in full.root.rglob(name):
            path.write_text(text)
    for name in ("memory.current", "memory.usage_in_bytes"):
        for path in full.root.rglob(name):
            path.write_text("45000\n")
    (sample,) = sampler.sample([info()], 2.0)
    assert (sample.memory, sample.oom_kills) == (25_000, 4)
    sampler.close()


# --- in a container: /proc is our own, the host's hierarchies are mounted somewhere ------------------


def host_mounted(full: Tree, at: str) -> None:
    """The tree as it looks from inside a container that has the host's cgroups mounted at `at`."""
    shutil.rmtree(full.root / "proc" / str(PID))
    mounts = full.root / "proc/self/mountinfo"
    own = mounts.read_text().replace(" / /sys", f" /docker/{'0' * 64} /sys")
    mounts.write_text(own + mounts.read_text().replace("/sys/fs/cgroup", at))
    (full.root / at.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (full.root / "sys/fs/cgroup").rename(full.root / at.lstrip("/"))
    full.write("sys/fs/cgroup/memory/cgroup.procs", "")


@pytest.mark.parametrize("at", ["/host/sys/fs/cgroup", "/mnt"])
def test_host_hierarchy_is_searched_inside_a_container(full: Tree, at: str) -> None:
    host_mounted(full, at)
    (sample,) = full.sample(info(cpus=0.5))
    unseen = {"received": None, "sent": None, "descriptors": None, "descriptors_limit": None}
    assert replace(sample, pressure=None) == replace(FULL, **unseen)
    assert CgroupSampler(full.root).is_usable(info())
    assert CgroupSampler(full.root).read_activity(info(), 5.0) is None


def test_own_process_with_the_containers_pid_is_ignored(full: Tree) -> None:
    host_mounted(full, "/mnt")
    full.write(f"proc/{PID}/cgroup", "0::/\n")
    full.process()
    (sample,) = full.sample(info())
    assert (sample.memory, sample.received, sample.descriptors) == (30_000, None, None)


@pytest.mark.parametrize(
    "cgroup", ["/", f"/../docker-{ID}.scope", f"/../../user.slice/libpod-{ID}.scope/container"]
)
def test_nothing_is_read_from_the_own_cgroup_in_a_private_namespace(tmp_path: Path, cgroup: str) -> None:
    """As an engine on cgroup v2 starts HemoStat: the mounted hierarchy begins at HemoStat's own cgroup."""
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2("")
    tree.write(f"proc/{PID}/cgroup", f"0::{cgroup}\n")
    sampler = CgroupSampler(tmp_path)
    assert sampler.sample([info()], 5.0) == []
    assert not sampler.is_usable(info())


@pytest.mark.parametrize("is_process_visible", [True, False])
@pytest.mark.parametrize("kind", PODMAN_PATHS)
def test_cgroup_of_podman_is_found(tmp_path: Path, kind: str, *, is_process_visible: bool) -> None:
    tree, (path, below) = Tree(tmp_path, V2_MOUNTS), PODMAN_PATHS[kind]
    tree.v2(path, below=below)
    if not is_process_visible:
        shutil.rmtree(tmp_path / "proc" / str(PID))
    assert tree.sample() == EXPECTED


def test_conmon_of_podman_is_not_the_container(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[3])
    tree.v2(f"/machine.slice/libpod-conmon-{ID}.scope")
    tree.write(f"sys/fs/cgroup/machine.slice/libpod-conmon-{ID}.scope/memory.current", "99000\n")
    shutil.rmtree(tmp_path / "proc" / str(PID))
    assert tree.sample() == EXPECTED


def test_root_may_be_given_as_seen_from_the_top(full: Tree) -> None:
    mounts = full.root / "proc/self/mountinfo"
    mounts.write_text(mounts.read_text().replace(" /sys", f" {full.root}/sys"))
    assert replace(*full.sample(info(cpus=0.5)), pressure=None) == FULL


def test_missing_container_is_not_searched_in_every_round(full: Tree) -> None:
    sampler = CgroupSampler(full.root)
    absent = info("bb" * 32, pid=PID + 1)
    assert sampler.sample([absent], 0.0) == []
    full.v2(f"/docker/{'bb' * 32}", pid=PID + 1)
    full.v1(f"/docker/{'bb' * 32}", pid=PID + 1)
    assert sampler.sample([absent], 10.0) == []
    assert len(sampler.sample([absent], 40.0)) == 1
    sampler.close()


# --- hosts that lack a controller --------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cpu_is_read_without_the_memory_controller(tmp_path: Path, version: str) -> None:
    """A kernel booted with cgroup_disable=memory, as on a Raspberry Pi."""
    path = f"/docker/{ID}"
    mounts = "\n".join(line for line in V1_MOUNTS.splitlines() if "memory" not in line)
    tree = Tree(tmp_path, mounts if version == "v1" else V2_MOUNTS)
    getattr(tree, version)(path)
    for name in ("memory", *(f"docker/{ID}/memory.{end}" for end in ("current", "stat"))):
        place = tmp_path / "sys/fs/cgroup" / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    sampler = CgroupSampler(tmp_path)
    (sample,) = sampler.sample([info()], 7.0)
    assert (sample.cpu, sample.memory) == (2.5, 0)
    assert [each.cpu for each in sampler.sample([info()], 8.0)] == [2.5]
    sampler.close()


def test_search_works_without_the_memory_controller(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "\n".join(line for line in V1_MOUNTS.splitlines() if "memory" not in line))
    tree.v1(f"/docker/{ID}", pid=1)
    sampler = CgroupSampler(tmp_path)
    assert [sample.cpu for sample in sampler.sample([info(pid=99)], 7.0)] == [2.5]
    sampler.close()


def test_memory_is_read_without_cpu_accounting(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V1_MOUNTS)
    tree.v1(f"/docker/{ID}")
    shutil.rmtree(tmp_path / "sys/fs/cgroup/cpu,cpuacct")
    sampler = CgroupSampler(tmp_path)
    (sample,) = sampler.sample([info()], 7.0)
    assert isnan(sample.cpu)
    assert sample.memory == 30000
    sampler.close()
