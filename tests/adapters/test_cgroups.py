"""Cgroup files as each version and driver lays them out, in a tree of our own."""

from pathlib import Path

import pytest

from hemostat.adapters.cgroups import CgroupSampler
from hemostat.core.model import ContainerInfo, Sample, reference

ID = "4f" * 32
PID = 4242

V1_MOUNTS = """\
24 30 0:22 / /proc rw,nosuid - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V2_MOUNTS = "35 31 0:29 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

V2_PATHS = [
    f"/docker/{ID}",
    f"/system.slice/docker-{ID}.scope",
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope",
    f"/machine.slice/libpod-{ID}.scope",
]


def info(
    container: str = ID, pid: int = PID, started_at: float = 1.0, network: str = "bridge"
) -> ContainerInfo:
    return ContainerInfo(
        ref=reference(container, "web", "nginx", {}),
        status="running" if pid else "exited",
        pid=pid,
        started_at=started_at,
        network_mode=network,
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

    def sample(self, *containers: ContainerInfo) -> list[Sample]:
        sampler = CgroupSampler(self.root)
        try:
            return sampler.sample(containers or [info()], 5.0)
        finally:
            sampler.close()


EXPECTED = [Sample(container_id=ID, time=5.0, cpu=2.5, memory=30_000)]


@pytest.mark.parametrize("path", [f"/docker/{ID}", f"/system.slice/docker-{ID}.scope"])
def test_version_1_with_either_driver(tmp_path: Path, path: str) -> None:
    tree = Tree(tmp_path, V1_MOUNTS)
    tree.v1(path)
    assert tree.sample() == EXPECTED
    assert CgroupSampler(tmp_path).usable(info())


@pytest.mark.parametrize("path", V2_PATHS)
def test_version_2_with_every_driver(tmp_path: Path, path: str) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(path)
    assert tree.sample() == EXPECTED
    assert CgroupSampler(tmp_path).usable(info())


def test_a_process_in_a_cgroup_below_stands_for_the_whole_container(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[3], below="/container/init.scope")
    assert tree.sample() == EXPECTED


def test_a_mount_whose_top_is_not_the_hierarchy_s(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS.replace("0:29 / /sys", "0:29 /lxc/one /sys"))
    tree.v2(f"/docker/{ID}")
    tree.write(f"proc/{PID}/cgroup", f"0::/lxc/one/docker/{ID}\n")
    assert tree.sample() == EXPECTED


def test_a_pid_that_is_now_another_container_s_is_not_believed(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(f"/docker/{'aa' * 32}")
    tree.write(f"proc/{PID}/net/dev", "a\nb\n eth0: 9 0\n")
    assert tree.sample() == []
    assert not CgroupSampler(tmp_path).usable(info())
    assert CgroupSampler(tmp_path).received(info()) is None


def test_more_inactive_cache_than_usage_is_no_negative_memory(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    tree.write(f"sys/fs/cgroup{V2_PATHS[0]}/memory.stat", "inactive_file 60000\n")
    assert [sample.memory for sample in tree.sample()] == [50_000]


def test_what_cannot_be_read_is_left_out_and_the_rest_is_not(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    absent, stopped = info("bb" * 32, pid=77), info("cc" * 32, pid=0)
    assert tree.sample(absent, info(), stopped) == EXPECTED


@pytest.mark.parametrize("missing", ["cpu.stat", "memory.current", "memory.stat"])
def test_a_controller_that_is_not_delegated_makes_the_files_unusable(tmp_path: Path, missing: str) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    (tmp_path / f"sys/fs/cgroup{V2_PATHS[0]}" / missing).unlink()
    open_before = open_files()
    assert not CgroupSampler(tmp_path).usable(info())
    assert tree.sample() == []
    assert open_files() == open_before


def test_a_machine_without_cgroups_has_no_usable_container(tmp_path: Path) -> None:
    assert not CgroupSampler(tmp_path).usable(info())


def test_counters_are_read_anew_and_descriptors_given_back(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    open_before = open_files()
    sampler = CgroupSampler(tmp_path)
    sampler.sample([info()], 5.0)
    (tmp_path / f"sys/fs/cgroup{V2_PATHS[0]}/memory.current").write_text("90000\n")
    assert [sample.memory for sample in sampler.sample([info()], 6.0)] == [70_000]
    assert sampler.sample([], 7.0) == []
    assert open_files() == open_before


def test_a_restarted_container_is_looked_up_again(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    sampler = CgroupSampler(tmp_path)
    sampler.sample([info()], 5.0)
    tree.v2(V2_PATHS[1], pid=PID + 1)
    tree.write(f"sys/fs/cgroup{V2_PATHS[1]}/memory.current", "70000\n")
    again = info(pid=PID + 1, started_at=2.0)
    assert [sample.memory for sample in sampler.sample([again], 6.0)] == [50_000]
    sampler.close()


def test_received_bytes_are_those_of_every_interface_but_the_loop(tmp_path: Path) -> None:
    tree = Tree(tmp_path, V2_MOUNTS)
    tree.v2(V2_PATHS[0])
    tree.write(
        f"proc/{PID}/net/dev",
        "Inter-|   Receive\n face |bytes packets\n    lo: 5000 1 0\n  eth0: 1200 2 0\n  eth1:34 1 0\n",
    )
    sampler = CgroupSampler(tmp_path)
    assert sampler.received(info()) == 1234
    assert sampler.received(info(network="host")) is None
    assert sampler.received(info(pid=PID + 1)) is None
