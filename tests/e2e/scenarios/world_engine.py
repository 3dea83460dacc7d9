"""The engine, or a proxy in front of it, answers late, not at all, with a refusal or with an invalid
response."""

from collections.abc import Callable
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import on_go
from tests.e2e.scenarios.model import IDLE, RESTARTED, STOPPED, Box, Expected, Scenario
from tests.support.rule_proxy import Answer, Rule, RuleProxy, Silence, page, told

CRASH: Final = (Expected(kind=Kind.EXITED, causes=(Cause.CRASH,)),)
APP: Final = (Box(main=on_go("exit 3")),)
HEALED: Final = {"app": RESTARTED}
OTHER: Final = Box(name="stuck", main=IDLE)


def _rules(lab: Lab) -> RuleProxy:
    assert lab.rules is not None
    return lab.rules


def _beside(answer: Answer) -> Callable[[Lab], None]:
    """Start another container whose inspections all get this answer, then crash the first container."""

    def happen(lab: Lab) -> None:
        made = lab.make(OTHER, start=False)
        _rules(lab).rules = [Rule(f"GET /containers/({made.id}|{made.name})/json", answer)]
        made.start()
        lab.pause(1)
        lab.touch("app")

    return happen


def _frozen_events(lab: Lab) -> None:
    """The connection of the events stays open and delivers nothing more."""
    _rules(lab).freeze("GET /events")
    lab.touch("app")


def _frozen_stop(lab: Lab) -> None:
    _rules(lab).freeze("GET /events")
    lab["app"].stop(timeout=1)
    lab.pause(35)


def _cut_events(lab: Lab) -> None:
    """Cut the connection of the events, as a load balancer does with idle connections."""
    for _ in range(3):
        _rules(lab).cut("GET /events")
        lab.pause(1)
    lab.touch("app")


def _hanging_list(lab: Lab) -> None:
    """Let the list of containers hang that each new connection requests."""
    first = iter([Silence()])
    _rules(lab).rules = [Rule("GET /containers/json", lambda _: next(first, None))]
    _rules(lab).cut("GET /events")
    lab.pause(1)
    lab.touch("app")


SCENARIOS: Final = (
    Scenario(
        name="stuck-inspect",
        about="the engine never answers about one container; another one crashes",
        kind="K7",
        way="rules",
        boxes=APP,
        happens=_beside(Silence()),
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="failing-inspect",
        about="an inspection of one container fails with 500 and a page of HTML; another one crashes",
        kind="K7",
        way="rules",
        boxes=APP,
        happens=_beside(page(500)),
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="malformed-inspect",
        about="the engine tells nonsense about one container; another one crashes",
        kind="K7",
        way="rules",
        boxes=APP,
        happens=_beside(told({"Id": "x", "State": {"StartedAt": "yesterday"}, "Config": None})),
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="frozen-events",
        about="the event stream falls silent without being closed; a container crashes",
        kind="K6",
        way="rules",
        boxes=APP,
        happens=_frozen_events,
        expected=CRASH,
        facts=HEALED,
        within=75,
    ),
    Scenario(
        name="frozen-stop",
        about="the event stream falls silent without being closed; a person stops a container",
        kind="K6",
        trap=True,
        way="rules",
        boxes=(Box(main="trap 'exit 3' TERM; while :; do sleep 0.2; done"),),
        happens=_frozen_stop,
        facts={"app": STOPPED},
        watch=4,
    ),
    Scenario(
        name="idle-cuts",
        about="a load balancer cuts the event stream again and again; a container crashes",
        kind="K6",
        way="rules",
        boxes=APP,
        happens=_cut_events,
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="hanging-list",
        about="the engine never answers the list that follows a new connection; a container crashes",
        kind="K6",
        way="rules",
        boxes=APP,
        happens=_hanging_list,
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="info-forbidden",
        about="a socket proxy forbids what tells of the engine's host; a container crashes",
        kind="K7",
        way="rules",
        forbidden="GET /(info|version)",
        boxes=APP,
        happens=lambda lab: lab.touch("app"),
        expected=CRASH,
        facts=HEALED,
    ),
    Scenario(
        name="post-forbidden",
        about="a socket proxy forbids all changes; a container crashes and stays down",
        kind="K9",
        way="rules",
        forbidden="^POST ",
        boxes=APP,
        happens=lambda lab: lab.touch("app"),
        expected=(Expected(kind=Kind.EXITED, outcome=Outcome.NOT_APPLICABLE, causes=(Cause.CRASH,)),),
        facts={"app": STOPPED},
    ),
)
