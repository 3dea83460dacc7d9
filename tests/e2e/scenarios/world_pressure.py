"""High CPU and growing memory from reports from the field: work, loops, and cases that are not known yet."""

from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import SPIN, cpus, fill, memory, on_go
from tests.e2e.scenarios.model import RESTARTED, Box, Expected, Scenario

CALM: Final = 2.0
LOOP: Final = "while :; do :; done"
FILE: Final = "head -c 8m /dev/urandom >/tmp/data"


def _go(lab: Lab) -> None:
    """Begin the load after an idle time, as a service has it."""
    lab.pause(CALM)
    lab.touch("app")


def _busy(*causes: Cause, action: Action = Action.NONE, may: bool = False) -> tuple[Expected, ...]:
    throttled = Expected(
        kind=Kind.CPU_THROTTLED,
        action=Action.NONE,
        causes=(*causes, Cause.CPU_LIMIT),
        right=("none", "scale", "false_alarm"),
        may=True,
    )
    return Expected(kind=Kind.CPU_HIGH, action=action, causes=causes, may=may), throttled


SCENARIOS: Final = (
    Scenario(
        name="files-compressed",
        kind="K12",
        about="a process compresses a file again and again, at its CPU limit and without network",
        trap=True,
        boxes=(
            Box(main=on_go(f"{FILE}; while :; do gzip -c /tmp/data >/tmp/o.gz; done"), options=cpus(0.1)),
        ),
        happens=_go,
        expected=_busy(Cause.BUSY, may=True),
        watch=10,
    ),
    Scenario(
        name="pipe-consumed",
        kind="K12",
        about="a worker is busy with what another process writes into a pipe",
        trap=True,
        boxes=(Box(main=on_go("yes | while read line; do :; done"), options=cpus(0.1)),),
        happens=_go,
        expected=_busy(Cause.BUSY, may=True),
        watch=10,
    ),
    Scenario(
        name="scheduled-compilation",
        kind="K12",
        about="a container that was calm starts a job that reads and writes files",
        trap=True,
        boxes=(
            Box(
                main=on_go(
                    f"{FILE}; (while :; do md5sum /tmp/data >/tmp/sums; done) & while sleep 0.5; do :; done"
                ),
                options=cpus(0.1),
            ),
        ),
        happens=_go,
        expected=_busy(Cause.BUSY, may=True),
        watch=10,
    ),
    Scenario(
        name="forks-without-end",
        kind="K12",
        about="a script starts processes of a moment, one after another",
        trap=True,
        boxes=(Box(main=on_go("while :; do /bin/true; done"), options=cpus(0.1)),),
        happens=_go,
        expected=_busy(Cause.BUSY, may=True),
        watch=10,
    ),
    Scenario(
        name="computation",
        kind="K12",
        about="a process computes from its first second, and no label says so",
        trap=True,
        boxes=(Box(main=SPIN, options=cpus(0.1)),),
        happens=lambda _: None,
        expected=_busy(Cause.COMPUTATION),
        watch=5,
    ),
    Scenario(
        name="loop-in-child",
        kind="K12",
        about="a child of a calm main process goes into an endless loop",
        boxes=(Box(main=on_go(f"({LOOP}) & while sleep 0.2; do :; done"), options=cpus(0.1)),),
        happens=_go,
        expected=_busy(Cause.RUNAWAY, action=Action.RESTART),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="computation-to-be-restarted",
        kind="K12",
        about="a process computes from its first second, and its label asks for a restart",
        boxes=(
            Box(
                main=f"if [ -e /tmp/again ]; then exec sleep 1000; fi; touch /tmp/again; {SPIN}",
                labels={"hemostat.cpu.action": "restart"},
                options=cpus(0.1),
            ),
        ),
        happens=lambda _: None,
        expected=_busy(Cause.BUSY, Cause.COMPUTATION, action=Action.RESTART),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="young-leak",
        kind="K20",
        about="memory that is high grows, in a process that is observed too briefly to call it a leak",
        boxes=(
            Box(
                main=on_go(
                    f"{fill(46)}; while :; do head -c 100k /dev/zero >>/dev/shm/held; sleep 0.2; done"
                ),
                labels={"hemostat.leak_window": "1m"},
                options=memory(64),
            ),
        ),
        happens=_go,
        expected=(
            Expected(
                kind=Kind.MEMORY_HIGH,
                action=Action.NONE,
                causes=(Cause.GROWING, Cause.LEAK),
                right=("none", "restart"),
            ),
        ),
        within=40,
    ),
    Scenario(
        name="loaded-and-flat",
        kind="K20",
        about="a data set is loaded quickly up to 88 % of the limit, and stays",
        trap=True,
        boxes=(
            Box(
                main=on_go(f"{fill(30)}; head -c 26m /dev/zero >>/dev/shm/held; while sleep 1; do :; done"),
                labels={"hemostat.leak_window": "5m"},
                options=memory(64),
            ),
        ),
        happens=_go,
        expected=(
            Expected(
                kind=Kind.MEMORY_HIGH,
                action=None,
                causes=(Cause.STEADY, Cause.WARMING_UP),
                may=True,
            ),
        ),
        watch=9,
    ),
)
