"""Memory and CPU of `hemostat all` while it watches 20 quiet containers."""

import time

from tests.bench.lab import LABEL, Lab, cpu_seconds, descendants, hemostat_all, memory, named

CONTAINERS = 20
SECONDS = 20


def measure(lab: Lab) -> dict[str, float]:
    """Return bytes, and CPU as a share of one core."""
    for _ in range(CONTAINERS):
        lab.start()
    others = set(named("redis-server", "valkey-server"))
    try:
        with hemostat_all(f"{LABEL}={lab.run_id}") as process:
            redis = [pid for pid in named("redis-server", "valkey-server") if pid not in others]
            pids = [*descendants(process.pid), *redis]
            time.sleep(5)
            before = cpu_seconds(pids)
            time.sleep(SECONDS)
            cpu = (cpu_seconds(pids) - before) / SECONDS
            rss, pss = memory(pids)
            return {"resident": rss, "proportional": pss, "idle CPU": cpu, "processes": len(pids)}
    finally:
        lab.clear()
