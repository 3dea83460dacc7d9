"""Resources that run out while the process runs."""

from typing import Final

from docker.types import Ulimit

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import IDLE, SPIN, cpus, fill, memory, on_go
from tests.e2e.scenarios.model import RESTARTED, Box, Expected, Scenario

BURST: Final = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; sleep 0.6"
"""Some sixty milliseconds of CPU, of which a tenth of a core provides ten a period: throttled in most of six
periods, and then idle for as long, on a machine of half the speed or twice."""

CALM: Final = 2.0
"""Seconds of rest before a loop begins."""


def _spin(lab: Lab) -> None:
    lab.pause(CALM)
    lab.touch("app")


SCENARIOS: Final = (
    Scenario(
        name="cpu-runaway",
        about="a process runs an endless loop, and no work arrives",
        boxes=(Box(main=on_go(SPIN), options=cpus(0.2)),),
        happens=_spin,
        expected=(
            Expected(kind=Kind.CPU_HIGH, causes=(Cause.RUNAWAY,)),
            Expected(
                kind=Kind.CPU_THROTTLED,
                action=Action.NONE,
                causes=(Cause.RUNAWAY,),
                right=("restart", "none"),
                may=True,
            ),
        ),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="cpu-throttled",
        settings={"MONITOR_INTERVAL": "1s"},
        about="short bursts under a small quota: held back in most periods, never busy on average",
        boxes=(
            Box(
                main=on_go(f"while :; do {BURST}; done"),
                labels={"hemostat.throttled": "25"},
                options=cpus(0.1),
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(
            Expected(
                kind=Kind.CPU_THROTTLED,
                action=Action.NONE,
                causes=(Cause.CPU_LIMIT,),
                right=("none", "scale"),
            ),
        ),
        watch=2,
    ),
    Scenario(
        name="memory-leak",
        about="memory that grows by 1.5 MiB/s towards its limit of 64 MiB",
        boxes=(
            Box(
                main=on_go(
                    f"{fill(16)}; while :; do head -c 300k /dev/zero >>/dev/shm/held; sleep 0.2; done"
                ),
                options=memory(64),
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(
            Expected(kind=Kind.MEMORY_LEAK, causes=(Cause.LEAK,)),
            Expected(kind=Kind.MEMORY_HIGH, causes=(Cause.LEAK,), right=("restart", "none"), may=True),
        ),
        facts={"app": RESTARTED},
        within=45,
    ),
    Scenario(
        name="pids-high",
        about="children that are never waited for fill the limit of processes",
        boxes=(
            Box(
                main=on_go(f"i=0; while [ $i -lt 37 ]; do sleep 1000 & i=$((i+1)); done; {IDLE}"),
                options={"pids_limit": 40},
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.PIDS_HIGH, causes=(Cause.LEAK_OF_PROCESSES,)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="fd-high",
        about="the main process opens 63 of the 64 files that it may",
        boxes=(
            Box(
                main=on_go("for i in $(seq 59); do : >/tmp/f$i; done; exec tail -f /tmp/f*"),
                options={"ulimits": [Ulimit(name="nofile", soft=64, hard=64)], "init": False},
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.FD_HIGH, causes=(Cause.LEAK_OF_FILES,)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="disk-high",
        about="a cache in the writable layer grows over its threshold; a label says that it may go",
        boxes=(Box(labels={"hemostat.disk": "16MiB", "hemostat.cleanup.paths": "/tmp/cache"}),),
        happens=lambda lab: lab.sh("app", "mkdir -p /tmp/cache; head -c 24m /dev/zero >/tmp/cache/fill"),
        expected=(Expected(kind=Kind.DISK_HIGH, action=Action.CLEANUP, causes=(Cause.DISK_FILLING,)),),
    ),
    Scenario(
        name="log-high",
        about="the log grows over its threshold",
        boxes=(
            Box(
                main=on_go(f"seq 400000; {IDLE}"),
                labels={"hemostat.log": "1MiB"},
                options=cpus(0.5),
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.DISK_HIGH, action=Action.NONE, causes=(Cause.LOG_NOT_ROTATED,)),),
    ),
)
