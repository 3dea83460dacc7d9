"""Which demos an engine cannot play."""

import pytest

from hemostat.demo import SCENARIOS
from hemostat.demo.player import find_obstacle
from hemostat.ports import EngineVersion
from hemostat.ports.engine import CPU_LIMIT, MEMORY_LIMIT

ENGINE = {
    "version": "28",
    "api": "1.51",
    "name": "h",
    "root": "/",
    "cgroup_version": "2",
    "cpus": 2,
    "memory": 1,
}


@pytest.mark.parametrize(
    ("name", "fields", "obstacle"),
    [
        ("oom", {}, ""),
        ("oom", {"missing_limits": (MEMORY_LIMIT, CPU_LIMIT)}, "cannot limit memory"),
        ("high-memory", {"missing_limits": (MEMORY_LIMIT,)}, "cannot limit memory"),
        ("oom", {"missing_limits": (CPU_LIMIT,)}, ""),
        ("oom", {"has_cgroups": False}, "gives its containers no cgroups"),
        ("cpu-spike", {"missing_limits": (MEMORY_LIMIT, CPU_LIMIT)}, ""),
        ("crash", {"has_cgroups": False, "missing_limits": (MEMORY_LIMIT,)}, ""),
    ],
)
def test_demo_that_needs_a_limit_is_refused_without_it(name, fields, obstacle):
    assert find_obstacle(SCENARIOS[name], EngineVersion(**ENGINE, **fields)) == obstacle
