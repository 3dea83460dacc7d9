"""Deliberate operations of people and their tools: nothing has failed."""

from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import ALIVE, FRESH, LISTEN, STUBBORN, WELL, on_go
from tests.e2e.scenarios.model import IDLE, RESTARTED, STOPPED, Box, Expected, Facts, Scenario


def _pause(lab: Lab) -> None:
    lab["app"].pause()
    lab.pause(5)
    lab["app"].unpause()


def _recreate(lab: Lab) -> None:
    """Replace the container in the order of steps that compose uses."""
    old = lab["web"]
    old.rename(f"{old.id[:12]}_{old.name}")
    new = lab.make(WEB, start=False)
    old.stop(timeout=1)
    old.remove()
    new.start()


def _roll(lab: Lab) -> None:
    """Replace one replica after the other, each under a new name."""
    for number in (1, 2):
        lab.make(_replica(number, f"new{number}"))
        lab.until(f"new{number}", health="healthy")
        lab[f"old{number}"].stop(timeout=1)
        lab[f"old{number}"].remove()


def _replica(number: int, name: str) -> Box:
    return Box(name=name, service="web", number=number, health="true", main=STUBBORN)


WEB: Final = Box(name="web", service="web", main=STUBBORN)
GONE: Final = Facts(running=False)

SCENARIOS: Final = (
    Scenario(
        name="docker-stop",
        about="a person stops a container that ends at once",
        trap=True,
        happens=lambda lab: lab["app"].stop(timeout=5),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="docker-stop-timeout",
        about="a person stops a container that takes no notice: it exits with 137",
        trap=True,
        boxes=(Box(main=STUBBORN),),
        happens=lambda lab: lab["app"].stop(timeout=1),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="docker-stop-143",
        about="a person stops a container that has no handler: it exits with 143",
        trap=True,
        boxes=(Box(main="exec sleep 1000", options={"init": True}),),
        happens=lambda lab: lab["app"].stop(timeout=5),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="stop-signal",
        about="a person stops a container whose stop signal is USR1: it exits with 5",
        trap=True,
        boxes=(
            Box(
                main="trap 'exit 5' USR1; while :; do sleep 0.2; done",
                options={"stop_signal": "SIGUSR1"},
            ),
        ),
        happens=lambda lab: lab["app"].stop(timeout=5),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="draining",
        about="a person stops a container that says it is unhealthy while it finishes its work",
        trap=True,
        boxes=(
            Box(
                main="trap 'touch /tmp/go; sleep 4; exit 0' TERM; while :; do sleep 0.2; done",
                health=WELL,
            ),
        ),
        happens=lambda lab: lab["app"].stop(timeout=10),
        facts={"app": STOPPED},
        watch=3,
    ),
    Scenario(
        name="docker-kill",
        about="a person kills a container",
        trap=True,
        happens=lambda lab: lab["app"].kill(),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="docker-rm",
        about="a person removes a running container by force",
        trap=True,
        happens=lambda lab: lab["app"].remove(force=True),
        facts={"app": GONE},
        watch=4,
    ),
    Scenario(
        name="docker-restart",
        about="a person restarts a container that takes no notice of SIGTERM",
        trap=True,
        boxes=(Box(main=STUBBORN),),
        happens=lambda lab: lab["app"].restart(timeout=1),
        facts={"app": RESTARTED},
        watch=4,
    ),
    Scenario(
        name="pause",
        about="a person pauses a container with a health check and a probe for 5 s",
        trap=True,
        boxes=(
            Box(
                main=LISTEN,
                health="wget -q -O /dev/null http://127.0.0.1:8080/",
                labels={"hemostat.probe": "http://:8080/"},
                network=True,
            ),
        ),
        happens=_pause,
        watch=4,
    ),
    Scenario(
        name="recreate",
        about="compose recreates a container: the old one is stopped and removed, a new one takes its name",
        trap=True,
        boxes=(WEB,),
        happens=_recreate,
        watch=4,
    ),
    Scenario(
        name="rolling-deploy",
        about="two replicas are replaced one after the other; the old ones end with 137",
        trap=True,
        boxes=(_replica(1, "old1"), _replica(2, "old2")),
        happens=_roll,
        facts={"old1": GONE, "old2": GONE},
        watch=4,
    ),
    Scenario(
        name="job-done",
        about="a one-shot job ends with exit code 0",
        trap=True,
        boxes=(Box(main=on_go("exit 0")),),
        happens=lambda lab: lab.touch("app"),
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="dependency-stopped",
        about="a person stops the database; the web server that needs it becomes unhealthy",
        trap=True,
        boxes=(
            Box(name="db", service="db", main=ALIVE, options={"volumes": ["/shared"]}),
            Box(
                name="web",
                service="web",
                depends_on="db",
                health=FRESH,
                options={"volumes_from": ["db"]},
            ),
        ),
        happens=lambda lab: lab["db"].stop(timeout=2),
        expected=(
            Expected(
                kind=Kind.UNHEALTHY,
                on="web",
                root="db",
                action=Action.NONE,
                causes=(Cause.DEPENDENCY_DOWN,),
            ),
        ),
        facts={"db": STOPPED},
        watch=4,
    ),
    Scenario(
        name="slow-start",
        about="a container takes 5 s to become healthy, within its start period",
        trap=True,
        boxes=(
            Box(
                main=f"sleep 5; touch /tmp/up; {IDLE}",
                health="test -e /tmp/up",
                start_period=20,
                healthy=False,
            ),
        ),
        happens=lambda lab: lab.until("app", health="healthy"),
        watch=2,
    ),
    Scenario(
        name="slow-start-probe",
        about="a container without a health check takes 6 s until its port answers",
        trap=True,
        boxes=(
            Box(
                main=f"sleep 6; {LISTEN}",
                labels={"hemostat.probe": "tcp://:8080"},
                network=True,
            ),
        ),
        happens=lambda _: None,
        watch=9,
    ),
)
