"""The CPU that one sample of one container costs, all processes that take part counted."""

import os
import subprocess
import time

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.sampling.cgroups import CgroupSampler
from tests.bench.lab import Lab, cpu_seconds, named

CONTAINERS = 20
SECONDS = 10


def measure(lab: Lab) -> dict[str, float]:
    """Seconds of CPU."""
    for _ in range(CONTAINERS):
        lab.start()
    engine = DockerEngine.connect()
    try:
        mine = [info for info in engine.inspect_everything() if info.ref.name.startswith("hemostat-bench-")]
        return {"HemoStat": _cgroups(mine), "docker stats": _docker_stats(len(mine))}
    finally:
        engine.close()
        lab.clear()


def _cgroups(containers: list, rounds: int = 500) -> float:
    sampler = CgroupSampler()
    sampler.sample(containers, time.time())
    began = time.process_time()
    for _ in range(rounds):
        assert len(sampler.sample(containers, time.time())) == len(containers)
    return (time.process_time() - began) / rounds / len(containers)


def _docker_stats(count: int) -> float:
    ids = subprocess.run(
        ["docker", "ps", "-q", "--filter", "name=hemostat-bench-"], capture_output=True, text=True, check=True
    ).stdout.split()
    process = subprocess.Popen(["docker", "stats", *ids], stdout=subprocess.DEVNULL)
    try:
        time.sleep(2)
        involved = [process.pid, *named("dockerd", "containerd")]
        before = cpu_seconds(involved)
        time.sleep(SECONDS)
        return (cpu_seconds(involved) - before) / SECONDS / count
    finally:
        # It does not heed SIGTERM while it waits for the engine.
        process.kill()
        process.wait()


if os.geteuid():
    raise SystemExit("the bench must run as root: it kills containers' processes and reads others' counters")
