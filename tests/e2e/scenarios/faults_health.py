"""Processes that run and are unhealthy: by themselves, or because a dependency is."""

import signal
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind
from tests.e2e.scenarios.mains import CURABLE, FRESH, LISTEN, WELL
from tests.e2e.scenarios.model import RESTARTED, Box, Expected, Scenario

UNHEALTHY: Final = Expected(kind=Kind.UNHEALTHY, causes=(Cause.HUNG,))
DOWN: Final = (Cause.DEPENDENCY_DOWN,)
UP: Final = "test -e /tmp/up"
ANSWERS: Final = "wget -q -O /dev/null http://127.0.0.1:8080/"


def _crashed(name: str, health: str) -> Scenario:
    """The same container with and without a health check."""
    return Scenario(
        name=name,
        about="the database crashes and takes a while to recover"
        + ("" if health else ", without a health check that says so")
        + "; the web server that needs it is unhealthy",
        trap=True,
        boxes=(
            Box(
                name="db",
                service="db",
                main="rm -f /tmp/go /tmp/up; trap 'exit 0' TERM; [ ! -e /tmp/crashed ] || sleep 5; "
                "touch /tmp/up; while [ ! -e /tmp/go ]; do touch /shared/alive; sleep 0.2; done; "
                "touch /tmp/crashed; exit 9",
                health=health,
                start_period=20,
                labels={"hemostat.settle": "10s"},
                options={"volumes": ["/shared"]},
            ),
            Box(
                name="web",
                service="web",
                depends_on="db",
                health=FRESH,
                retries=2,
                options={"volumes_from": ["db"]},
            ),
        ),
        happens=lambda lab: lab.touch("db"),
        expected=(
            Expected(kind=Kind.EXITED, on="db", causes=(Cause.CRASH,)),
            Expected(kind=Kind.UNHEALTHY, on="web", root="db", action=Action.NONE, causes=DOWN),
        ),
        facts={"db": RESTARTED},
        watch=6,
    )


SCENARIOS: Final = (
    Scenario(
        name="unhealthy",
        about="the health check starts to fail; a restart cures it",
        boxes=(Box(main=CURABLE, health=WELL),),
        happens=lambda lab: lab.touch("app"),
        expected=(UNHEALTHY,),
        facts={"app": RESTARTED},
    ),
    Scenario(
        name="unhealthy-chain",
        about="a container fails, and with it one that shares its network: one action, which re-attaches it",
        trap=True,
        boxes=(
            Box(name="app", main=CURABLE, health=WELL, retries=2, options={"volumes": ["/tmp"]}),
            Box(
                name="sidecar",
                health=WELL,
                retries=3,
                options={"network_mode": "container:app", "volumes_from": ["app"]},
            ),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(
            UNHEALTHY,
            Expected(
                kind=Kind.UNHEALTHY, on="sidecar", root="app", action=Action.NONE, causes=DOWN, may=True
            ),
        ),
        facts={"app": RESTARTED, "sidecar": RESTARTED},
        watch=4,
    ),
    Scenario(
        name="shared-network",
        about="a hung server is restarted into a new network; the sidecar in its old one must follow",
        boxes=(
            Box(name="app", main=LISTEN, health=ANSWERS, retries=2, timeout=0.5),
            Box(
                name="sidecar",
                health=ANSWERS,
                retries=3,
                timeout=0.5,
                options={"network_mode": "container:app"},
            ),
        ),
        happens=lambda lab: lab.signal("app", signal.SIGSTOP),
        expected=(
            UNHEALTHY,
            Expected(
                kind=Kind.UNHEALTHY,
                on="sidecar",
                root="app",
                action=Action.NONE,
                causes=DOWN,
                then=Action.RESTART,
                may=True,
            ),
        ),
        facts={"app": RESTARTED, "sidecar": RESTARTED},
        watch=3,
    ),
    *(_crashed(*each) for each in (("dependency-crashed", UP), ("dependency-recovering", ""))),
    Scenario(
        name="hung",
        about="the server stops answering its probe; it has no health check",
        boxes=(
            Box(
                main=LISTEN,
                labels={"hemostat.probe": "http://:8080/"},
                network=True,
            ),
        ),
        happens=lambda lab: lab.signal("app", signal.SIGSTOP),
        expected=(Expected(kind=Kind.HUNG, causes=(Cause.HUNG,)),),
        facts={"app": RESTARTED},
    ),
)
