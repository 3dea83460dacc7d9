"""When a model service is left alone after failures."""

import pytest

from hemostat.core.llm.circuit import CLOSED_CIRCUIT, LlmCircuit

NOW = 10_000.0


def test_pauses_grow_up_to_five_minutes():
    circuit, now, pauses = CLOSED_CIRCUIT, NOW, []
    for _ in range(9):
        circuit = circuit.record_failure("no answer", now)
        pauses.append(circuit.get_seconds_left(now))
        now = circuit.until
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (circuit.failures, circuit.why) == (9, "no answer")


def test_allowed_failures_open_no_circuit():
    circuit = CLOSED_CIRCUIT.record_failure("a", NOW, allowed=2).record_failure("b", NOW, allowed=2)
    assert circuit == LlmCircuit(2, 0.0, "b")
    assert circuit.record_failure("c", NOW, allowed=2) == LlmCircuit(3, NOW + 20, "c")


@pytest.mark.parametrize(("wait", "pause"), [(None, 5), (1.0, 5), (60.0, 60), (3600.0, 3600), (9999.0, 3600)])
def test_wait_that_the_service_asks_for_is_bounded(wait, pause):
    assert CLOSED_CIRCUIT.record_failure("busy", NOW, wait).get_seconds_left(NOW) == pause


def test_requests_under_way_count_as_the_same_failure():
    circuit = CLOSED_CIRCUIT.record_failure("a", NOW, 60.0)
    again = circuit.record_failure("b", NOW + 1)
    assert again == LlmCircuit(1, NOW + 60, "b")


def test_circuit_closes_with_its_time_and_with_a_clock_set_back():
    circuit = LlmCircuit(1, NOW)
    assert circuit.get_seconds_left(NOW) == 0.0
    assert circuit.get_seconds_left(NOW - 0.5) == 0.5
    assert circuit.get_seconds_left(NOW - 3600) == 3600
    assert circuit.get_seconds_left(NOW - 3600.5) == 0.0
