"""A demo's report, computed from the events of the engine and the bus."""

import msgspec
import pytest

from hemostat.core.model import EngineEvent
from hemostat.demo import SCENARIOS
from hemostat.demo.load import HostLoad
from hemostat.demo.report import DemoFacts, build_report, build_steps, find_complete_until
from hemostat.events import Outcome, Reason
from hemostat.json_output import build_output
from tests.support.samples import CLEARED, NOW, WEB, alert, complete, event, needed


def engine(action: str, at: float, **fields) -> EngineEvent:
    return EngineEvent(time=NOW + at, action=action, container=WEB, **fields)


def healed_crash() -> DemoFacts:
    return DemoFacts(
        faults=[NOW],
        engine=[engine("start", -5), engine("die", 0.1, exit_code=7), engine("start", 0.4)],
        bus=[
            event(alert(), 0.11),
            event(needed(), 0.12),
            event(complete(durations={"act": 0.3, "verify": 2.0, "total": 2.3}), 2.5),
            event(CLEARED, 10.5),
        ],
    )


def test_timeline_is_ordered_by_time_from_the_fault():
    assert [(step.name, step.t) for step in build_steps(healed_crash())] == [
        ("fault", 0.0),
        ("died", 0.1),
        ("alert", 0.11),
        ("diagnosis", 0.12),
        ("decision", 0.2),
        ("running", 0.4),
        ("action", 0.5),
        ("verified", 2.5),
    ]


def test_steps_wait_for_the_action_after_a_diagnosis():
    facts = healed_crash()
    facts.bus = facts.bus[:2]
    assert find_complete_until(facts, NOW + 2.4) == pytest.approx(0.12)
    assert find_complete_until(healed_crash(), NOW + 9.0) == pytest.approx(8.5)


def test_delayed_event_is_awaited():
    assert find_complete_until(DemoFacts(faults=[NOW]), NOW + 1.0) == pytest.approx(0.5)


def test_requested_death_is_not_a_step():
    asked = [engine("kill", 1.0, signal=15), engine("die", 1.1, exit_code=0), engine("start", 1.2)]
    facts = DemoFacts(faults=[NOW], engine=asked)
    assert [step.name for step in build_steps(facts)] == ["fault", "running"]


def test_refusal_ends_with_its_reason():
    refused = complete(outcome=Outcome.REFUSED, reason=Reason.BUDGET_SPENT, durations={})
    facts = DemoFacts(faults=[NOW], bus=[event(refused, 1.0)])
    last = build_steps(facts)[-1]
    assert last.name == "decision"
    assert "its budget is spent" in last.text


def test_detected_and_healed_are_seconds_since_the_fault():
    told = build_report(SCENARIOS["crash"], healed_crash(), SCENARIOS["crash"].expected, simulated=False)
    assert (told.passed, told.detected_s, told.healed_s, told.incident) == (True, 0.11, 0.4, "i1")


def test_trap_scenario_detects_and_heals_nothing():
    calm = SCENARIOS["false-alarm"]
    told = build_report(calm, DemoFacts(faults=[NOW]), calm.expected, simulated=False)
    assert (told.passed, told.detected_s, told.healed_s, told.incident) == (True, None, None, None)


def test_health_counts_only_after_the_restart():
    facts = DemoFacts(
        faults=[NOW], engine=[engine("healthy", 0.1), engine("start", 1.0), engine("healthy", 2.0)]
    )
    unhealthy = SCENARIOS["unhealthy"]
    assert build_report(unhealthy, facts, unhealthy.expected, simulated=False).healed_s == 2.0


def test_engine_state_decides_the_result():
    observed = {**SCENARIOS["crash"].expected, "restarts": 2}
    assert not build_report(SCENARIOS["crash"], healed_crash(), observed, simulated=False).passed


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_every_scenario_prints_the_documented_object(scenario):
    report = build_report(scenario, DemoFacts(faults=[NOW]), scenario.expected, simulated=True)
    told = build_output(report)
    assert set(told) >= {
        "scenario",
        "passed",
        "simulated",
        "incident",
        "steps",
        "detected_s",
        "healed_s",
        "expected",
        "observed",
        "host_load",
        "host_too_busy",
    }
    assert told["steps"] == [{"name": "fault", "t": 0.0, "after_seconds": 0.0, "text": ""}]
    assert msgspec.json.encode(told)


@pytest.mark.parametrize("name", ["crash-loop", "restart-limit", "false-alarm"])
def test_other_outcomes_are_not_reported_as_healed(name):
    told = build_report(SCENARIOS[name], healed_crash(), SCENARIOS[name].expected, simulated=False)
    assert (told.passed, told.healed_s) == (True, None)
    assert told.ending


def load(busy: float, own: float) -> HostLoad:
    return HostLoad(busy=busy, own=own, average=6.0, cores=2)


@pytest.mark.parametrize(
    ("host", "restarts", "blamed"),
    [
        (load(0.99, 0.2), 0, True),
        (load(0.99, 0.2), 1, False),  # it passed nevertheless
        (load(0.99, 0.98), 0, False),  # its own fault is all of the load: one core
        (load(0.99, 0.5), 0, False),  # there was a whole core for it
        (load(0.5, 0.02), 0, False),
        (None, 0, False),
    ],
)
def test_failure_on_a_busy_host_names_the_load(host, restarts, blamed):
    observed = {**SCENARIOS["cpu-spike"].expected, "restarts": restarts}
    told = build_report(SCENARIOS["cpu-spike"], DemoFacts(faults=[NOW], load=host), observed, simulated=False)
    assert told.host_too_busy is blamed
