"""Dependencies from reports from the field: set-up containers, jobs, slower checks, unwatched containers."""

from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Action, Kind, Outcome
from tests.e2e.scenarios.lab import LABEL, Lab
from tests.e2e.scenarios.mains import ALIVE, FRESH, on_go
from tests.e2e.scenarios.model import IDLE, RESTARTED, STOPPED, Box, Expected, Scenario

NEEDS: Final = "com.docker.compose.depends_on"
BROKEN: Final = "test ! -e /shared/broken"
"""A health check that fails while this file exists, which another container on the volume may create."""
CLIENT: Final = "until [ -e /tmp/db ]; do sleep 0.1; done; sleep 1000 | nc $(cat /tmp/db) 5432"
CRASH: Final = Expected(kind=Kind.EXITED, causes=(Cause.CRASH,))
JOB: Final = Expected(kind=Kind.EXITED, on="job", action=Action.NONE, causes=(Cause.FAILED_JOB,))
DOWN: Final = (Cause.DEPENDENCY_DOWN,)


def _end(lab: Lab, box: str) -> None:
    lab.touch(box)
    lab.until(box, running=False)


def _after_set_up(lab: Lab) -> None:
    _end(lab, "migrate")
    lab.touch("app")


def _without_option(lab: Lab) -> None:
    """A person stops an optional dependency and restarts the dependent."""
    lab["mail"].stop(timeout=1)
    lab["app"].restart(timeout=1)
    lab.pause(1)
    lab.touch("app")


def _third_run(lab: Lab) -> None:
    """A timer starts the job, which has succeeded twice."""
    for _ in range(2):
        _end(lab, "job")
        lab.pause(1)
        lab["job"].start()
    lab.sh("job", "echo 3 >/tmp/code; touch /tmp/go")


def _both_break(lab: Lab) -> None:
    """Break both just after the slower check has passed."""
    lab.until_checked("db")
    lab.sh("db", "touch /shared/broken")


def _connected(lab: Lab) -> None:
    """Keep a connection open until it has been observed, then kill the server."""
    lab.sh("app", f"echo {lab.address('db')} >/tmp/db")
    lab.pause(22)
    lab.signal("db", 9)


SCENARIOS: Final = (
    Scenario(
        name="set-up-done",
        about="what must only have been started has ended with 0; the application crashes of itself",
        kind="K3",
        boxes=(
            Box(name="migrate", service="migrate", main=on_go("exit 0")),
            Box(service="app", depends_on="migrate", main=on_go("exit 1")),
        ),
        happens=_after_set_up,
        expected=(CRASH,),
        facts={"app": RESTARTED, "migrate": STOPPED},
    ),
    Scenario(
        name="optional-stopped",
        about="a person stops a dependency and starts the dependent without it, which crashes of itself",
        kind="K3",
        boxes=(
            Box(name="mail", service="mail"),
            Box(service="app", depends_on="mail", main=on_go("exit 1")),
        ),
        happens=_without_option,
        expected=(CRASH,),
        facts={"app": RESTARTED.of(2), "mail": STOPPED},
    ),
    Scenario(
        name="unwatched-dependency",
        about="the database is outside the watch and killed; what depends on it becomes unhealthy",
        kind="K3",
        trap=True,
        boxes=(
            Box(
                name="db",
                service="db",
                main=ALIVE,
                labels={LABEL: "others"},
                options={"volumes": ["/shared"]},
            ),
            Box(service="app", depends_on="db", health=FRESH, options={"volumes_from": ["db"]}),
        ),
        happens=lambda lab: lab["db"].kill(),
        expected=(Expected(kind=Kind.UNHEALTHY, root="db", action=Action.NONE, causes=DOWN),),
        facts={"db": STOPPED},
        watch=3,
    ),
    Scenario(
        name="disabled-dependency",
        about="the database opts out by label and ends with 0 when it is stopped; its dependent waits for it",
        kind="K3",
        trap=True,
        boxes=(
            Box(
                name="db",
                service="db",
                main=ALIVE,
                labels={"hemostat.enable": "false"},
                options={"volumes": ["/shared"]},
            ),
            Box(service="app", depends_on="db", health=FRESH, options={"volumes_from": ["db"]}),
        ),
        happens=lambda lab: lab["db"].stop(timeout=2),
        expected=(Expected(kind=Kind.UNHEALTHY, root="db", action=Action.NONE, causes=DOWN),),
        facts={"db": STOPPED},
        watch=3,
    ),
    Scenario(
        name="slower-upstream-check",
        about="database and web server fail together, and the web server's check is the faster one",
        kind="K16",
        trap=True,
        boxes=(
            Box(
                name="db",
                service="db",
                main=f"rm -f /shared/broken; {IDLE}",
                health=BROKEN,
                every=4,
                options={"volumes": ["/shared"]},
            ),
            Box(service="app", depends_on="db", health=BROKEN, options={"volumes_from": ["db"]}),
        ),
        happens=_both_break,
        expected=(
            Expected(kind=Kind.UNHEALTHY, root="db", action=Action.NONE, causes=DOWN),
            Expected(kind=Kind.UNHEALTHY, on="db", causes=(Cause.HUNG,)),
        ),
        facts={"db": RESTARTED},
        watch=3,
    ),
    Scenario(
        name="undeclared-dependency",
        about="a client of a database that nobody declared becomes unhealthy when the database is killed",
        kind="K16",
        trap=True,
        boxes=(
            Box(
                name="db",
                main="exec nc -ll -p 5432 -e cat",
                labels={"hemostat.protect": "true"},
                network=True,
            ),
            Box(
                main=f"{CLIENT}; {IDLE}",
                health="test ! -e /tmp/db || pidof nc",
                retries=2,
                network=True,
            ),
        ),
        happens=_connected,
        expected=(
            Expected(
                kind=Kind.EXITED,
                on="db",
                outcome=Outcome.REFUSED,
                causes=(Cause.CRASH,),
                right=("restart", "none"),
            ),
            Expected(kind=Kind.UNHEALTHY, root="db", action=Action.NONE, causes=DOWN),
        ),
        facts={"db": STOPPED},
        settings={},
        watch=3,
        within=40,
    ),
    Scenario(
        name="failed-migration",
        about="a migration that the application needs to complete ends with 1: told, not run again",
        kind="K17",
        trap=True,
        boxes=(
            Box(name="job", service="job", main=on_go("exit 1")),
            Box(service="app", labels={NEEDS: "job:service_completed_successfully:false"}),
        ),
        happens=lambda lab: lab.touch("job"),
        expected=(JOB,),
        facts={"job": STOPPED},
        watch=3,
    ),
    Scenario(
        name="failed-one-off",
        about="what `docker compose run` has started ends with 2: told, not run again",
        kind="K17",
        trap=True,
        boxes=(
            Box(
                name="job",
                service="app",
                main=on_go("exit 2"),
                labels={"com.docker.compose.oneoff": "True"},
            ),
        ),
        happens=lambda lab: lab.touch("job"),
        expected=(JOB,),
        facts={"job": STOPPED},
        watch=3,
    ),
    Scenario(
        name="failed-timer",
        about="what a timer starts has ended with 0 twice and then ends with 3: told, not run again",
        kind="K17",
        trap=True,
        boxes=(Box(name="job", main=on_go("exit $(cat /tmp/code 2>/dev/null || echo 0)")),),
        happens=_third_run,
        expected=(JOB,),
        facts={"job": STOPPED.of(2)},
        watch=3,
    ),
    Scenario(
        name="job-by-label-is-none",
        about="a label says that what others need to complete is a service: it is started again",
        kind="K17",
        boxes=(
            Box(
                name="app",
                service="job",
                main=on_go("exit 1"),
                labels={"hemostat.job": "false"},
            ),
            Box(name="web", service="web", labels={NEEDS: "job:service_completed_successfully:false"}),
        ),
        happens=lambda lab: lab.touch("app"),
        expected=(CRASH,),
        facts={"app": RESTARTED},
    ),
)
