"""Failures that no restart cures, restarts that need time, and failures that return."""

import shutil
import signal
import time
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import CURABLE, IDLE, LISTEN, WELL
from tests.e2e.scenarios.model import RESTARTED, Box, Expected, Facts, Scenario

PATIENCE: Final = 40.0
NO_CURL: Final = "curl -f http://127.0.0.1/"
TOLD: Final = Expected(
    kind=Kind.UNHEALTHY,
    action=Action.NONE,
    outcome=Outcome.ESCALATED,
    causes=(Cause.CHECK_CANNOT_RUN,),
)
IN_VAIN: Final = Expected(kind=Kind.UNHEALTHY, outcome=Outcome.FAILED, causes=(Cause.HUNG,))
NOT_VIABLE: Final = Expected(kind=Kind.UNHEALTHY, outcome=Outcome.ESCALATED, causes=(Cause.HUNG,))
PROBED: Final = {"hemostat.probe": "http://:8080/", "hemostat.probe.start_period": "1s"}


def _nothing(_: Lab) -> None:
    """The fault is present from the beginning."""


def _cannot_run(name: str, about: str, health: str | tuple[str, ...], main: str = IDLE) -> Scenario:
    """Each container is left alone, and reported once with its output."""
    return Scenario(
        name=name,
        about=about,
        kind="K1",
        trap=True,
        boxes=(Box(main=main, health=health, retries=2, healthy=False),),
        happens=_nothing,
        expected=(TOLD,),
        watch=4,
    )


def _wait(lab: Lab, restarts: int) -> None:
    """Wait until the box was restarted this number of times and is healthy again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        health = (lab.state("app").get("Health") or {}).get("Status")
        if lab.restarts("app") >= restarts and health == "healthy":
            return
        time.sleep(0.1)
    raise TimeoutError(f"app was not restarted {restarts} times")


def _relapses(lab: Lab) -> None:
    for _ in range(2):
        lab.touch("app")
        _wait(lab, 1)
        lab.pause(4)
    lab.touch("app")


def _crashes_too(lab: Lab) -> None:
    """The health check fails permanently, and then the process dies."""
    lab.touch("app")
    deadline = time.monotonic() + PATIENCE
    while lab.restarts("app") < 1 and time.monotonic() < deadline:
        lab.state("app")
        time.sleep(0.1)
    lab.pause(4)
    lab.signal("app", signal.SIGKILL)


def _owner_recreated(lab: Lab) -> None:
    lab["vpn"].remove(force=True)
    lab.make(Box(name="vpn", network=True))
    lab.touch("app")


def _bind(lab: Lab, *, is_file: bool) -> None:
    """Remove the source of a mount, or replace a file by a directory."""
    source = lab.directory / "source"
    if is_file:
        source.write_text("x")
    else:
        source.mkdir()
    options = {"volumes": {str(source): {"bind": "/data", "mode": "ro"}}}
    lab.make(Box(health=WELL, main=IDLE, options=options))
    lab.until("app", health="healthy")
    if is_file:
        source.unlink()
        source.mkdir()
    else:
        shutil.rmtree(source)
    lab.touch("app")


SCENARIOS: Final = (
    _cannot_run("check-without-command", "the health check's command is not in the image", NO_CURL),
    _cannot_run(
        "check-hides-its-code",
        "the health check's command is not in the image, and the check makes exit code 1 of that",
        f"{NO_CURL} || exit 1",
    ),
    _cannot_run(
        "check-without-program",
        "a health check without a shell, whose program is not in the image",
        ("curl", "-f", "http://127.0.0.1/"),
    ),
    _cannot_run(
        "check-not-executable",
        "the health check is a file that may not be executed",
        "/tmp/check",
        f"touch /tmp/check; {IDLE}",
    ),
    Scenario(
        name="check-lost-its-command",
        about="the health check passed, then its command is removed; a restart brings it back",
        kind="K1",
        boxes=(
            Box(
                main=f"printf '#!/bin/sh\\nexit 0\\n' >/tmp/check; chmod +x /tmp/check; {IDLE}",
                health="/tmp/check",
                start_period=5,
            ),
        ),
        happens=lambda lab: lab.sh("app", "rm /tmp/check"),
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="check-fails-for-ever",
        about="the health check goes on failing after the restart: one restart, then people",
        kind="K15",
        boxes=(Box(health=WELL),),
        happens=lambda lab: lab.touch("app"),
        expected=(IN_VAIN,),
        facts={"app": RESTARTED},
        watch=8,
    ),
    Scenario(
        name="check-times-out",
        about="the health check takes too long from its first run on: one restart, then people",
        kind="K15",
        boxes=(Box(health="sleep 5", timeout=0.5, retries=2, healthy=False),),
        happens=_nothing,
        expected=(IN_VAIN,),
        facts={"app": RESTARTED},
        watch=8,
    ),
    Scenario(
        name="relapse",
        about="a restart cures it for some seconds, three times: one restart, then people",
        kind="K15",
        boxes=(Box(main=CURABLE, health=WELL),),
        happens=_relapses,
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,), again=("none",)),),
        facts={"app": RESTARTED},
        watch=8,
    ),
    Scenario(
        name="crash-after-relapse",
        about="its check fails for ever, which was left to people; then its process dies, and is started",
        kind="K15",
        boxes=(Box(health=WELL),),
        happens=_crashes_too,
        expected=(IN_VAIN, Expected(kind=Kind.EXITED, outcome=Outcome.FAILED, causes=(Cause.CRASH,))),
        facts={"app": Facts(restarts=2)},
        watch=6,
        within=40,
    ),
    Scenario(
        name="slow-to-come-up",
        about="it takes longer to become healthy than a verification lasts, within its own start period",
        kind="K11",
        boxes=(
            Box(
                main=f"rm -f /tmp/ok; (sleep 14; touch /tmp/ok) & {IDLE}",
                health="test -e /tmp/ok",
                retries=2,
                start_period=60,
            ),
        ),
        happens=lambda lab: lab.sh("app", "rm /tmp/ok"),
        expected=(Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
        watch=2,
        within=40,
    ),
    Scenario(
        name="network-owner-recreated",
        about="the container whose network it shares was made anew: its own start could only fail",
        kind="K1",
        trap=True,
        boxes=(
            Box(name="vpn", network=True),
            Box(name="app", health=WELL, options={"network_mode": "container:vpn"}),
        ),
        happens=_owner_recreated,
        expected=(NOT_VIABLE,),
        facts={"vpn": Facts(restarts=None)},
        watch=4,
    ),
    *(
        Scenario(
            name=name,
            about=about,
            kind="K1",
            trap=True,
            boxes=(),
            happens=lambda lab, is_file=is_file: _bind(lab, is_file=is_file),
            expected=(NOT_VIABLE,),
            watch=4,
        )
        for name, about, is_file in (
            ("bind-source-gone", "the directory that is mounted into it was removed", False),
            ("bind-source-replaced", "a file that is mounted into it has become a directory", True),
        )
    ),
    Scenario(
        name="probe-never-arrives",
        about="no probe has ever reached the container: that says nothing of it",
        kind="K1",
        trap=True,
        boxes=(
            Box(
                main=f"ip link set eth0 down; {LISTEN}",
                labels=PROBED,
                network=True,
                options={"cap_add": ["NET_ADMIN"]},
            ),
        ),
        happens=_nothing,
        expected=(
            Expected(
                kind=Kind.HUNG,
                action=Action.NONE,
                outcome=Outcome.ESCALATED,
                causes=(Cause.UNREACHABLE,),
            ),
        ),
        watch=4,
    ),
    Scenario(
        name="probe-refused-from-the-start",
        about="nothing has ever listened where the probe asks: one restart, which is not called healed",
        kind="K6",
        boxes=(Box(labels=PROBED, network=True),),
        happens=_nothing,
        expected=(Expected(kind=Kind.HUNG, outcome=Outcome.FAILED, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
        watch=3,
        within=40,
    ),
)
