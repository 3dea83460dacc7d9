"""Actions that are interrupted between their two halves."""

import shutil
import time
from typing import Final

from docker.types import Mount

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import WELL
from tests.e2e.scenarios.model import RESTARTED, STOPPED, Box, Expected, Scenario

PATIENCE: Final = 40.0
SLOW_TO_STOP: Final = "rm -f /tmp/go; trap '' TERM; while :; do sleep 0.2; done"
SAYS_IT_STOPS: Final = "rm -f /tmp/go; trap 'touch /data/stopping' TERM; while :; do sleep 0.2; done"


def _engine_restarted_midway(lab: Lab) -> None:
    lab.touch("app")
    lab.pause(3)
    assert lab.second is not None
    lab.second.restart()


def _lost_midway(lab: Lab) -> None:
    """Remove the source of a mount after a restart has begun and before it starts the container."""
    source = lab.directory / "source"
    source.mkdir()
    options = {"mounts": [Mount("/data", str(source), type="bind")]}
    lab.make(Box(main=SAYS_IT_STOPS, health=WELL, labels={"hemostat.stop_timeout": "3s"}, options=options))
    lab.until("app", health="healthy")
    lab.touch("app")
    deadline = time.monotonic() + PATIENCE
    while not (source / "stopping").exists() and time.monotonic() < deadline:
        lab.state("app")
        time.sleep(0.05)
    shutil.rmtree(source)


SCENARIOS: Final = (
    Scenario(
        name="engine-restarted-midway",
        about="the engine is restarted while a restart waits for the container to stop",
        kind="K18",
        boxes=(Box(main=SLOW_TO_STOP, health=WELL, labels={"hemostat.stop_timeout": "6s"}),),
        happens=_engine_restarted_midway,
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
        way="second",
        within=40,
    ),
    Scenario(
        name="start-fails-midway",
        about="a restart stops it and cannot start it: what is mounted into it was removed meanwhile",
        kind="K18",
        boxes=(),
        happens=_lost_midway,
        expected=(
            Expected(kind=Kind.UNHEALTHY, outcome=Outcome.FAILED, causes=(Cause.HUNG,)),
            Expected(
                kind=Kind.EXITED,
                outcome=Outcome.ESCALATED,
                causes=(Cause.MISSING_RESOURCE,),
                right=("none", "restart"),
            ),
        ),
        facts={"app": STOPPED},
        watch=6,
        within=40,
    ),
)
