"""How things stand, as numbers."""

import msgspec
import pytest

from hemostat.core.ledger.controls import Controls
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.metrics import definitions, gauges
from hemostat.core.metrics.definitions import OTHER
from hemostat.core.remediation.limit_status import compute_host_status
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Outcome, State
from tests.support.samples import NOW, event, heartbeat, stats


def test_known_silent_role_is_down():
    told = gauges.measure_roles(
        [("monitor", "h"), ("alert", "h")], [event(heartbeat("alert", trouble="Redis"))]
    )
    assert told[definitions.ROLE_UP] == {("monitor", "h"): 0.0, ("alert", "h"): 1.0}
    assert told[definitions.ROLE_TROUBLE] == {("alert", "h"): 1.0}


def test_containers_above_the_limit_are_summed():
    def bounded(_: str, value: str) -> str:
        return value if value in {"web", "h"} else OTHER

    ill = State(status="running", health="unhealthy")
    others = [
        event(stats(container=Container(id=name, name=name), cpu=50.0, memory=1, memory_limit=9, state=ill))
        for name in ("a", "b")
    ]
    told = gauges.measure_containers(
        [event(stats(memory_limit=128 * 1024**2)), *others],
        bounded,
        lambda each, _: bounded("container", each.name),
    )
    assert told[definitions.CONTAINERS] == {("running", "h"): 3}
    assert told[definitions.UNHEALTHY_CONTAINERS] == {("h",): 2}
    assert told[definitions.CONTAINER_CPU] == {("h", "web"): 0.125, ("h", OTHER): 1.0}
    assert told[definitions.CONTAINER_MEMORY] == {("h", "web"): 64 * 1024**2, ("h", OTHER): 2}
    assert told[definitions.CONTAINER_MEMORY_LIMIT] == {("h", "web"): 128 * 1024**2}


def test_foreign_event_among_the_measurements_is_skipped():
    told = gauges.measure_containers(
        [event(heartbeat()), event(stats())], lambda _, value: value, lambda each, _: each.name
    )
    assert told[definitions.CONTAINERS] == {("running", "h"): 1}


def test_container_without_samples_has_no_gauge():
    told = gauges.measure_containers(
        [event(stats(cpu=None, memory=None))], lambda _, value: value, lambda each, _: each.name
    )
    assert told[definitions.CONTAINER_CPU] == told[definitions.CONTAINER_MEMORY] == {}


FAILED = Attempt(
    key="k",
    container="web",
    action=Action.RESTART,
    time=NOW,
    by="r",
    lease=NOW,
    outcome=Outcome.FAILED,
    finished=NOW,
)


@pytest.mark.parametrize(
    ("later", "resets", "state"),
    [(0.0, {}, "open"), (3600.0, {}, "half_open"), (0.0, {"web": NOW}, None), (0.0, {"*": NOW}, None)],
)
def test_circuit_breaker_gauge_equals_the_responders_state(later, resets, state):
    attempts = tuple(msgspec.structs.replace(FAILED, key=str(number)) for number in range(3))
    book = LedgerSnapshot(
        version=1, attempts=attempts, ended_attempts=attempts, controls=Controls(resets=resets)
    )
    told = gauges.measure_breakers({"h": compute_host_status(book, ResponderSettings(), NOW + later)})
    found = told[definitions.BREAKERS]
    assert [place[:2] for place, count in found.items() if count] == ([("container", state)] if state else [])
    assert (len(found), told[definitions.RUNNING_ACTIONS]) == (4, {("h",): 0.0})
