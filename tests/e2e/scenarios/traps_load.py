"""Load that is no fault: work, caches, spikes, garbage collection, a busy host, an engine restart."""

import os
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import CURABLE, IDLE, SPIN, WELL, cpus, fill, memory
from tests.e2e.scenarios.model import HOST, STOPPED, Box, Expected, Facts, Scenario

FLOOD: Final = "while :; do head -c 64k /dev/zero; sleep 0.2; done"

BURNING: Final = 10.0
MOST: Final = 262144
LEAST: Final = 2
"""The greatest and the lowest CPU shares that a container can have."""
COSTLY: Final = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done"
"""A health check that needs about a tenth of a second of CPU."""


def _send(lab: Lab) -> None:
    """Send input to the worker from the next container."""
    address = lab.address("worker")
    lab.sh("sender", f"({FLOOD}) | nc {address} 9000")


def _burn(lab: Lab) -> None:
    """Occupy every core with containers that HemoStat does not watch and that have precedence over all
    others."""
    spinning = f"for i in $(seq {2 * (os.cpu_count() or 1)}); do (while :; do :; done) & done; {IDLE}"
    options = {"cpu_shares": MOST, "init": True}
    lab.make(Box(name="burner", main=spinning, labels={"hemostat.enable": "false"}, options=options))
    lab.pause(BURNING)
    lab["burner"].kill()


def _restart_engine(lab: Lab) -> None:
    assert lab.second is not None
    lab.second.restart()
    for number in range(ALWAYS):
        lab.until(f"always{number}", running=True)


ALWAYS: Final = 14
ONCE: Final = 6

SCENARIOS: Final = (
    Scenario(
        name="batch-job",
        about="a batch job, labelled as one, uses all the CPU that it may",
        trap=True,
        boxes=(Box(main=SPIN, labels={"hemostat.job": "true"}, options=cpus(0.2)),),
        happens=lambda _: None,
        watch=9,
    ),
    Scenario(
        name="network-job",
        about="a worker uses all the CPU that it may while work arrives by network",
        trap=True,
        boxes=(
            Box(
                name="worker",
                main="(sleep 1000 | nc -l -p 9000 >/dev/null) & " + SPIN,
                network=True,
                options=cpus(0.2),
            ),
            Box(name="sender", network=True),
        ),
        happens=_send,
        expected=(
            Expected(
                kind=Kind.CPU_HIGH,
                on="worker",
                action=Action.NONE,
                causes=(Cause.SATURATED,),
                right=("none", "scale", "false_alarm"),
                may=True,
            ),
            Expected(
                kind=Kind.CPU_THROTTLED,
                on="worker",
                action=Action.NONE,
                causes=(Cause.SATURATED, Cause.CPU_LIMIT),
                right=("none", "scale", "false_alarm"),
                may=True,
            ),
        ),
        watch=9,
    ),
    Scenario(
        name="page-cache",
        about="a container writes and reads files of three times its memory limit",
        trap=True,
        boxes=(
            Box(
                main="trap 'exit 0' TERM; while :; do dd if=/dev/zero of=/tmp/big bs=1M count=192; "
                "cat /tmp/big /tmp/big >/dev/null; sleep 0.3; done 2>/dev/null",
                options={**memory(64), **cpus(0.3)},
            ),
        ),
        happens=lambda _: None,
        expected=(Expected(kind=Kind.MEMORY_HIGH, action=None, causes=(Cause.STEADY,), may=True),),
        watch=9,
    ),
    Scenario(
        name="spikes",
        about="a second of full CPU in every four",
        trap=True,
        boxes=(
            Box(
                main=f"trap 'exit 0' TERM; while :; do timeout 1 sh -c '{SPIN}'; sleep 3; done",
                options=cpus(0.3),
            ),
        ),
        happens=lambda _: None,
        watch=12,
    ),
    Scenario(
        name="saw-tooth",
        about="a heap that grows to 70 % and is collected, again and again",
        trap=True,
        boxes=(
            Box(
                main="trap 'exit 0' TERM; while :; do : >/dev/shm/heap; for i in 1 2 3 4 5 6 7 8; do "
                "head -c 5m /dev/zero >>/dev/shm/heap; sleep 0.4; done; done",
                options=memory(64),
            ),
        ),
        happens=lambda _: None,
        watch=22,
    ),
    Scenario(
        name="memory-flat",
        about="a container that holds 88 % of its memory, and no more",
        trap=True,
        boxes=(Box(main=f"{fill(56)}; {IDLE}", options=memory(64)),),
        happens=lambda _: None,
        expected=(Expected(kind=Kind.MEMORY_HIGH, action=None, causes=(Cause.STEADY,), may=True),),
        watch=13,
    ),
    Scenario(
        name="flapping-share",
        about="a health check on a network share that comes and goes by itself",
        trap=True,
        boxes=(
            Box(
                main="trap 'exit 0' TERM; until [ -e /tmp/start ]; do sleep 0.1; done; "
                "while :; do touch /tmp/go; sleep 1.2; rm -f /tmp/go; sleep 1.2; done",
                health=WELL,
                every=0.3,
                labels={"hemostat.unhealthy_for": "5s"},
            ),
        ),
        happens=lambda lab: lab.sh("app", "touch /tmp/start"),
        expected=(
            Expected(kind=Kind.FLAPPING, action=Action.NONE, causes=(Cause.FLAPPING,)),
            Expected(kind=Kind.UNHEALTHY, action=Action.NONE, causes=(Cause.FLAPPING,), may=True),
        ),
        watch=3,
    ),
    Scenario(
        name="host-load",
        about="every core is busy with something else; health checks time out",
        trap=True,
        alone=True,
        settings={},
        boxes=tuple(
            Box(
                name=f"app{number}",
                main=CURABLE,
                health=COSTLY,
                timeout=1,
                retries=3,
                options={"cpu_shares": LEAST},
            )
            for number in range(4)
        ),
        happens=_burn,
        expected=(
            Expected(
                kind=Kind.STORM,
                on=HOST,
                action=Action.NONE,
                causes=(Cause.HOST_OVERLOADED, Cause.HOST_FAULT, Cause.STORM),
                may=True,
            ),
            *(
                Expected(
                    kind=kind,
                    on=f"app{number}",
                    action=Action.NONE,
                    causes=(Cause.HOST_OVERLOADED,),
                    roots=(HOST,),
                    may=True,
                )
                for number in range(4)
                for kind in (Kind.UNHEALTHY, Kind.FLAPPING)
            ),
        ),
        facts={"burner": STOPPED},
        watch=3,
    ),
    Scenario(
        name="engine-restart",
        about="the engine is restarted with 20 containers, of which it starts 14 again by itself",
        trap=True,
        way="second",
        boxes=(
            *(
                Box(name=f"always{number}", options={"restart_policy": {"Name": "always"}})
                for number in range(ALWAYS)
            ),
            *(
                Box(name=f"once{number}", main=_main)
                for number, _main in enumerate([IDLE, "exec sleep 1000"] * 3)
            ),
        ),
        happens=_restart_engine,
        facts={
            **{f"always{number}": Facts(restarts=1) for number in range(ALWAYS)},
            **{f"once{number}": Facts(running=False) for number in range(ONCE)},
        },
        watch=5,
    ),
)
