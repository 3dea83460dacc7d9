"""Processes that die in different ways, and several that die at the same time."""

import signal
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import IDLE, memory, on_go
from tests.e2e.scenarios.model import HOST, RESTARTED, STOPPED, Box, Expected, Facts, Scenario

EXITED: Final = Expected(kind=Kind.EXITED, causes=(Cause.CRASH,))
TOLD: Final = Expected(kind=Kind.EXITED, action=Action.NONE, causes=(Cause.FAILED_JOB,))
LOOP: Final = Expected(
    kind=Kind.CRASH_LOOP, action=Action.NONE, causes=(Cause.CRASH_LOOP, Cause.CRASH, Cause.UNKNOWN)
)
OUT: Final = (Cause.OUT_OF_MEMORY, Cause.MEMORY_LIMIT)
ONCE: Final = "[ -e /tmp/second ] || { touch /tmp/second; exit 3; }; "
"""A first start that fails."""


def _cut(lab: Lab) -> None:
    """Crash the container while the connection to the engine is cut."""
    assert lab.proxy is not None
    lab.proxy.cut()
    lab.touch("app")
    lab.until("app", running=False)
    lab.pause(1)
    lab.proxy.open()


SCENARIOS: Final = (
    Scenario(
        name="exit-code",
        about="the main process exits with code 7",
        boxes=(Box(main=on_go("exit 7")),),
        happens=lambda lab: lab.touch("app"),
        expected=(EXITED,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="sigkill",
        about="the main process is killed from the host, unknown to the engine",
        happens=lambda lab: lab.signal("app", signal.SIGKILL),
        expected=(EXITED,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="segfault",
        about="the main process dies of SIGSEGV: exit code 139",
        boxes=(Box(main="exec sleep 1000", options={"init": True}),),
        happens=lambda lab: lab.sh("app", "killall -SEGV sleep"),
        expected=(EXITED,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="oom",
        about="the main process outgrows its memory limit and is killed by the kernel",
        boxes=(Box(main=on_go("exec tail /dev/zero"), options=memory(32)),),
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.OOM, causes=OUT, right=("restart", "scale")),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="oom-child",
        about="a child outgrows the memory limit and is killed; the main process lives on",
        boxes=(Box(main=on_go(f"tail /dev/zero; {IDLE}"), options=memory(32)),),
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.OOM, action=Action.NONE, causes=OUT),),
    ),
    Scenario(
        name="crash-loop",
        about="the main process exits at once after each start",
        boxes=(Box(main="[ ! -e /tmp/ill ] || exit 1; until [ -e /tmp/ill ]; do sleep 0.1; done; exit 1"),),
        happens=lambda lab: lab.sh("app", "touch /tmp/ill"),
        expected=(
            Expected(
                kind=Kind.EXITED,
                outcome=Outcome.FAILED,
                causes=(Cause.CRASH, Cause.CRASH_LOOP, Cause.UNKNOWN),
                right=("restart", "none"),
            ),
            LOOP,
        ),
        facts={"app": Facts(running=False, restarts=2)},
        watch=4,
    ),
    Scenario(
        name="crash-loop-always",
        about="the same, and Docker restarts it by itself",
        boxes=(
            Box(
                main="until [ -e /tmp/ill ]; do sleep 0.1; done; sleep 0.3; exit 1",
                options={"restart_policy": {"Name": "always"}},
            ),
        ),
        happens=lambda lab: lab.sh("app", "touch /tmp/ill"),
        expected=(LOOP,),
        facts={"app": Facts(running=None, restarts=None)},
        watch=5,
    ),
    Scenario(
        name="job-failed",
        about="a batch job, labelled as one, ends with exit code 1: told, not repeated",
        trap=True,
        boxes=(Box(main=on_go("exit 1"), labels={"hemostat.job": "true"}),),
        happens=lambda lab: lab.touch("app"),
        expected=(TOLD,),
        facts={"app": STOPPED},
        watch=3,
    ),
    Scenario(
        name="stream-cut",
        about="a container dies while the connection to the engine is lost",
        boxes=(Box(main=on_go("exit 7")),),
        way="proxy",
        happens=_cut,
        expected=(EXITED,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="short-lived",
        about="a new container dies within a tenth of a second of its making",
        boxes=(),
        happens=lambda lab: lab.make(Box(main=ONCE + IDLE)) and None,
        expected=(EXITED,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="storm",
        about="seven containers are killed at once: something is wrong with the host",
        trap=True,
        boxes=tuple(Box(name=f"app{number}") for number in range(7)),
        settings={},
        happens=lambda lab: lab.signal_all(signal.SIGKILL),
        expected=(
            Expected(kind=Kind.STORM, on=HOST, action=Action.NONE, causes=(Cause.HOST_FAULT, Cause.STORM)),
            *(Expected(kind=Kind.EXITED, on=f"app{number}", may=True) for number in range(7)),
        ),
        facts={f"app{number}": Facts(running=None, restarts=None) for number in range(7)},
        acted_on=4,
        watch=4,
    ),
    Scenario(
        name="protected",
        about="a protected container crashes: told, not touched",
        boxes=(Box(main=on_go("exit 7"), labels={"hemostat.protect": "true"}),),
        happens=lambda lab: lab.touch("app"),
        expected=(
            Expected(
                kind=Kind.EXITED,
                outcome=Outcome.REFUSED,
                causes=(Cause.CRASH,),
                right=("restart", "none"),
            ),
        ),
        facts={"app": STOPPED},
        watch=3,
    ),
    Scenario(
        name="opted-out",
        about="a container that opted out crashes: nothing at all",
        trap=True,
        boxes=(Box(main=on_go("exit 7"), labels={"hemostat.enable": "false"}),),
        happens=lambda lab: lab.touch("app"),
        facts={"app": STOPPED},
        watch=4,
    ),
)
