"""Both samplers and `docker stats` on the same containers. What is compared has done its work and sleeps, so
that it holds still; only a share of the CPU has to be taken from one that works."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.adapters.sampling.cgroups import CgroupSampler
from hemostat.adapters.sampling.docker_stats import StatsSampler
from hemostat.core.model import ContainerInfo, Sample
from tests.support.engine_fixtures import IMAGE, SESSION, eventually
from tests.support.required import program

pytestmark = pytest.mark.docker

MIB = 1 << 20
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
READY = "echo ready; exec sleep 1000"
SPIN = f"(while :; do :; done) & {READY}"
SPUN = f"timeout 1 sh -c 'while :; do :; done'; {READY}"
HOARD = (
    "dd if=/dev/zero of=/dev/shm/hog bs=1M count=24; dd if=/dev/zero of=/root/file bs=1M count=16;"
    f"cat /root/file /root/file > /dev/null; sleep 1000 & sleep 1000 & {READY}"
)
WRITE = f"dd if=/dev/zero of=/root/file bs=1M count=12 oflag=direct; {READY}"
SERVE = f"head -c 1500000 /dev/zero > /root/file; httpd -p 80 -h /root; {READY}"
FETCH = "wget -q -O /dev/null http://{}/file;" + READY

Run = Callable[..., ContainerInfo]


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def run(docker_engine: DockerEngine, docker_workshop: DockerTestContainers) -> Iterator[Run]:
    """Run a shell script under options of the docker command, and wait until it says that it is ready."""
    program("docker", "docker.io")
    made = []

    def run(script: str, *options: str) -> ContainerInfo:
        name = f"hs-test-{secrets.token_hex(4)}"
        made.append(name)
        label = f"hemostat.test={SESSION}"
        docker("run", "-d", "--name", name, "--label", label, *options, IMAGE, "sh", "-c", script)
        # Its log, and no command in it: one more process in a full container gets the first one killed.
        eventually(lambda: "ready" in docker_engine.logs(name).split())
        return docker_engine.inspect(name)

    yield run
    for name in made:
        docker_workshop.remove(name)


@pytest.fixture
def near() -> Iterator[CgroupSampler]:
    sampler = CgroupSampler()
    yield sampler
    sampler.close()


@pytest.fixture
def far(docker_engine: DockerEngine) -> Iterator[StatsSampler]:
    sampler = StatsSampler(docker_engine.read_stats, docker_engine.follow_stats)
    yield sampler
    sampler.close()


def data_disk(engine: DockerEngine) -> str | None:
    """The device under the engine's data directory, where it is one."""
    disk = Path(engine.version().root).stat().st_dev
    found = Path(f"/sys/dev/block/{os.major(disk)}:{os.minor(disk)}")
    return f"/dev/{found.resolve().name}" if found.exists() else None


def counted_writes(engine: DockerEngine) -> list[str]:
    """Recent kernels count a v1 container's block I/O only where it has a limit."""
    disk = data_disk(engine)
    return [f"--device-write-bps={disk}:500mb"] if disk and engine.version().cgroup_version == "1" else []


def shown(containers: Sequence[ContainerInfo]) -> dict[str, dict[str, str]]:
    """What `docker stats` shows, by id."""
    ids = [info.ref.id for info in containers]
    lines = docker("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids).splitlines()
    return {row["ID"]: row for row in map(json.loads, lines)}


def size(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * UNITS[unit]


def both(pair: str) -> tuple[float, float]:
    """`1.5MB / 20kB`."""
    first, _, second = pair.partition(" / ")
    return size(first), size(second)


def about(value: float | None) -> object:
    """As rounded to three digits."""
    return pytest.approx(value, rel=0.006)


def taken_after(sampler: StatsSampler, containers: Sequence[ContainerInfo], since: float) -> list[Sample]:
    """Samples of all of them taken after `since`, epoch seconds."""
    found: list[Sample] = []

    def complete() -> bool:
        found[:] = sampler.sample(containers, time.time())
        return len(found) == len(containers) and all(sample.time > since for sample in found)

    eventually(complete)
    return found


def asked_while_still(
    far: StatsSampler, containers: Sequence[ContainerInfo]
) -> tuple[list[Sample], list[Sample], dict[str, dict[str, str]]]:
    """Cgroup files, stats API and command. The kernel takes memory back even from a process that sleeps: they
    are asked again until nothing has moved from the first answer to the last."""
    answers: list[Any] = []

    def unmoved() -> bool:
        before = whole(containers)
        answers[:] = before, taken_after(far, containers, time.time()), shown(containers)
        after = whole(containers)
        return not any(map(moved, before, after))

    eventually(unmoved, seconds=60)
    ours, theirs, rows = answers
    return ours, theirs, rows


def moved(before: Sample, after: Sample) -> bool:
    busy = [(sample.cpu, sample.periods, sample.pids) for sample in (before, after)]
    return busy[0] != busy[1] or abs(before.memory - after.memory) > MIB // 16


def whole(containers: Sequence[ContainerInfo]) -> list[Sample]:
    """A sampler's first samples have everything in them."""
    with closing(CgroupSampler()) as sampler:
        return sampler.sample(containers, time.time())


def read_block_io(sampler: CgroupSampler | StatsSampler, container: ContainerInfo) -> int | None:
    activity = sampler.read_activity(container, time.time())
    assert activity is not None
    return activity.block


def test_three_samplers_give_the_same_numbers(
    docker_engine: DockerEngine, run: Run, near: CgroupSampler, far: StatsSampler
) -> None:
    server = run(SERVE)
    containers = [
        server,
        run(FETCH.format(server.address)),
        run(HOARD),
        run(SPUN, "--cpus=0.2"),
        run(WRITE, *counted_writes(docker_engine)),
    ]
    ours, theirs, rows = asked_while_still(far, containers)
    for info, one, other in zip(containers, ours, theirs, strict=True):
        row = rows[info.ref.id]
        assert one.cpu == pytest.approx(other.cpu, abs=1e-6)
        assert one.memory == pytest.approx(other.memory, abs=MIB // 4)
        assert both(row["MemUsage"])[0] == pytest.approx(one.memory, abs=MIB // 4, rel=0.006)
        assert one.cache == pytest.approx(other.cache, abs=MIB // 4)
        assert (one.periods, one.throttled) == (other.periods, other.throttled)
        assert (one.pids, str(one.pids)) == (other.pids, row["PIDs"])
        assert read_block_io(near, info) == read_block_io(far, info)
        assert sum(both(row["BlockIO"])) == about(read_block_io(near, info))
        # Broadcasts reach one that sleeps, too.
        assert (one.received, one.sent) == (
            pytest.approx(other.received, abs=4000),
            pytest.approx(other.sent, abs=4000),
        )
        assert both(row["NetIO"]) == pytest.approx((one.received, one.sent), rel=0.006, abs=4000)
    served, fetched, hoarding, spun, _ = ours
    assert served.sent > 1_500_000 < fetched.received
    assert 24 * MIB <= hoarding.memory < 48 * MIB
    assert 0 < hoarding.cache < 20 * MIB
    assert hoarding.pids == 3
    assert 0 < spun.throttled <= spun.periods
    if counted_writes(docker_engine):
        assert read_block_io(near, containers[-1]) >= 12 * MIB


def test_cpu_share_equals_docker_stats(run: Run, near: CgroupSampler, far: StatsSampler) -> None:
    spinning = run(SPIN, "--cpus=0.2")
    shares: list[tuple[float, ...]] = []

    def agree() -> bool:
        began = [sampler.sample([spinning], time.time())[0] for sampler in (near, far)]
        row = shown([spinning])[spinning.ref.id]
        ended = [sampler.sample([spinning], time.time())[0] for sampler in (near, far)]
        ours = [share(*pair) for pair in zip(began, ended, strict=True)]
        shares.append((*ours, float(row["CPUPerc"].removesuffix("%"))))
        return max(shares[-1]) - min(shares[-1]) < 2 and min(shares[-1]) > 5

    eventually(agree, seconds=60)


def share(before: Sample, after: Sample) -> float:
    return 100 * (after.cpu - before.cpu) / max(after.time - before.time, 1e-9)


def test_samplers_agree_on_files_limits_and_oom_kills(run: Run, near: CgroupSampler) -> None:
    script = f"tail /dev/zero > /dev/null; exec 7</dev/null 8</dev/null; {READY}"
    info = run(script, "--ulimit=nofile=512:1024", "--memory=12m", "--memory-swap=12m")
    (sample,) = near.sample([info], 1.0)
    assert sample.descriptors == sum(1 for _ in Path(f"/proc/{info.pid}/fd").iterdir())
    assert sample.descriptors >= 5
    assert sample.descriptors_limit == 512
    assert sample.oom_kills >= 1


def test_samplers_agree_on_own_and_shared_networks(run: Run, near: CgroupSampler, far: StatsSampler) -> None:
    own = run(SERVE)
    guest = run(FETCH.format(own.address), "--network", f"container:{own.ref.id}")
    alone = run(READY, "--network", "none")
    host = run(READY, "--network", "host")
    for sampler in (near, far):
        samples = {
            sample.container_id: sample for sample in sampler.sample([own, guest, alone, host], time.time())
        }
        received = [samples[info.ref.id].received for info in (own, guest, alone, host)]
        assert received[0] == pytest.approx(received[1], abs=4000)
        assert received[2] in {0, None}
        assert received[3] is None
        activity = sampler.read_activity(own, time.time())
        assert activity is not None
        assert activity.received == pytest.approx(received[0], abs=4000)


def test_counters_are_the_same_inside_a_container(run: Run, near: CgroupSampler, tmp_path: Path) -> None:
    """A root that has the host's cgroups, and a /proc in which the container's process is not."""
    info = run(SPUN)
    inside = tmp_path / "proc/self"
    inside.mkdir(parents=True)
    inside.joinpath("mountinfo").write_text(Path("/proc/self/mountinfo").read_text())
    tmp_path.joinpath("sys").symlink_to("/sys")
    process = {"received": None, "sent": None, "descriptors": None, "descriptors_limit": None}

    def alike() -> bool:
        with closing(CgroupSampler(tmp_path)) as sampler, closing(CgroupSampler()) as outside:
            (seen,), (expected,) = sampler.sample([info], 1.0), outside.sample([info], 1.0)
        return seen == msgspec.structs.replace(expected, **process)

    eventually(alike)
