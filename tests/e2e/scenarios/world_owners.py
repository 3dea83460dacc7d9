"""Owners that restart containers, or do not; signals and stops by people."""

import shutil
import threading
from typing import Any, Final

import msgspec
from docker.types import Mount

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import CURABLE, WELL, memory, on_go
from tests.e2e.scenarios.model import IDLE, RESTARTED, STOPPED, Box, Expected, Facts, Scenario

ALWAYS: Final[dict[str, Any]] = {"restart_policy": {"Name": "always"}}
DUMPS: Final = f"rm -f /tmp/go; trap 'echo dump' QUIT USR1; {IDLE}"
NOT_OURS: Final = Expected(
    kind=Kind.EXITED, outcome=Outcome.REFUSED, causes=(Cause.CRASH,), right=("restart", "none")
)
"""Only the owner may start the container: the responder refuses and escalates."""
SURVIVED: Final = 6
"""Seconds after which a process has survived a signal other than the stop signal."""


def _task(number: int) -> Box:
    labels = {
        "com.docker.swarm.service.name": "web",
        "com.docker.swarm.task.name": f"web.1.task{number}",
    }
    return Box(name=f"task{number}", main=on_go("exit 1"), labels=labels)


def _failed_start(lab: Lab) -> None:
    """Remove the source of a mount for the second in which Docker restarts the container."""
    source = lab.directory / "data"
    source.mkdir()
    options = {**ALWAYS, "mounts": [Mount("/data", str(source), type="bind")]}
    lab.make(Box(main=on_go("exit 1"), options=options))
    lab.until("app", running=True)
    lab.pause(2)
    shutil.rmtree(source)
    lab.touch("app")
    lab.until("app", running=False)
    lab.pause(1)
    source.mkdir()


def _replace(lab: Lab) -> None:
    lab.touch("task1")
    lab.until("task1", running=False)
    lab.pause(3)
    lab.make(_task(2))


def _signal_then(then: str, *signals: str) -> Any:
    def happens(lab: Lab) -> None:
        for signal in signals:
            lab["app"].kill(signal=signal)
        lab.pause(SURVIVED)
        if then == "ill":
            lab.touch("app")
        else:
            lab.signal("app", 9)

    return happens


def _end_with_0(lab: Lab) -> None:
    lab.make(Box(main="exit 0", options=ALWAYS))


def _kill_and_start(lab: Lab) -> None:
    lab["app"].kill()
    lab.pause(3)
    lab["app"].start()


def _stop_in_backoff(lab: Lab) -> None:
    """The second time that the container is unhealthy, its restart waits. Meanwhile a person stops it, which
    takes 8 s."""
    for _ in range(2):
        lab.touch("app")
        lab.until("app", health="unhealthy")
        lab.pause(4)
    stopping = threading.Thread(target=lambda: lab["app"].stop(timeout=60))
    stopping.start()
    stopping.join()


SCENARIOS: Final = (
    Scenario(
        name="docker-gave-up",
        kind="K4",
        about="a container with a restart policy whose start by Docker has failed is started once it can be",
        boxes=(),
        happens=_failed_start,
        expected=(Expected(kind=Kind.EXITED, causes=(Cause.CRASH, Cause.MISSING_RESOURCE)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="ends-with-0-for-ever",
        kind="K4",
        about="a container that ends with 0 at once is started again by Docker each time",
        trap=True,
        boxes=(),
        happens=_end_with_0,
        expected=(
            Expected(
                kind=Kind.CRASH_LOOP, action=Action.NONE, causes=(Cause.CRASH_LOOP, Cause.BAD_CONFIGURATION)
            ),
        ),
        facts={"app": Facts(running=None, restarts=None)},
    ),
    Scenario(
        name="swarm-task-replaced",
        kind="K4",
        about="a Swarm task fails and Swarm puts another one in its place 3 s later",
        trap=True,
        boxes=(_task(1),),
        happens=_replace,
        facts={"task1": STOPPED},
        watch=6,
    ),
    Scenario(
        name="swarm-task-not-replaced",
        kind="K4",
        about="a Swarm task fails and Swarm does not replace it: told, never started",
        trap=True,
        boxes=(_task(1),),
        happens=lambda lab: lab.touch("task1"),
        expected=(msgspec.structs.replace(NOT_OURS, on="task1"),),
        facts={"task1": STOPPED},
        within=50,
    ),
    Scenario(
        name="systemd-unit-not-restarted",
        kind="K4",
        about="a container of a systemd unit fails and systemd does not start it again: told, never started",
        trap=True,
        boxes=(Box(main=on_go("exit 1"), labels={"PODMAN_SYSTEMD_UNIT": "app.service"}),),
        happens=lambda lab: lab.touch("app"),
        expected=(NOT_OURS,),
        facts={"app": STOPPED},
        within=110,
    ),
    Scenario(
        name="thread-dump-then-ill",
        kind="K5",
        about="a person asks for a thread dump with SIGQUIT; later the health check fails",
        boxes=(Box(main=DUMPS, health=WELL),),
        happens=_signal_then("ill", "SIGQUIT"),
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="signals-then-killed",
        kind="K5",
        about="a container survives SIGQUIT and SIGUSR1; later the kernel kills its process",
        boxes=(Box(main=DUMPS),),
        happens=_signal_then("killed", "SIGUSR1", "SIGQUIT"),
        expected=(Expected(kind=Kind.EXITED, causes=(Cause.CRASH,)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="stop-of-20-s",
        kind="K5",
        about="a person stops with -t 60 a container that takes 20 s to drain and ends with 1",
        trap=True,
        boxes=(Box(main="trap 'sleep 20; exit 1' TERM; while :; do sleep 0.2; done"),),
        happens=lambda lab: lab["app"].stop(timeout=60),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="stop-in-backoff",
        kind="K5",
        about="a person stops slowly a container whose second restart waits in the back-off",
        boxes=(
            Box(
                main="rm -f /tmp/go; trap 'sleep 8; exit 0' TERM; while :; do sleep 0.2; done",
                health=WELL,
                labels={"hemostat.stop_timeout": "1s"},
            ),
        ),
        settings={"RESPONDER_BACKOFF": "10s"},
        happens=_stop_in_backoff,
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,)),),
        facts={"app": Facts(running=False, restarts=1)},
        watch=5,
    ),
    Scenario(
        name="old-oom-flag",
        kind="K11",
        about="the kernel kills a child for memory; 4 s later the container ends with 3 for another reason",
        boxes=(Box(main=on_go("(tail /dev/zero; true); sleep 4; exit 3"), options=memory(32)),),
        happens=lambda lab: lab.touch("app"),
        expected=(
            Expected(kind=Kind.EXITED, causes=(Cause.CRASH,)),
            Expected(kind=Kind.OOM, action=Action.NONE, may=True),
        ),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="killed-and-started-by-a-person",
        kind="K5",
        about="a person kills a container with a restart policy and starts it again after 3 s",
        trap=True,
        boxes=(Box(main=CURABLE, options=ALWAYS),),
        happens=_kill_and_start,
        facts={"app": RESTARTED},
        watch=4,
    ),
)
