"""The cost of requests to a model, and when no request is made."""

import msgspec

from hemostat.core.llm.circuit import CLOSED_CIRCUIT, MAX_SERVICE_WAIT_SECONDS
from hemostat.core.llm.cost_budget import HOUR_SECONDS, LlmUsage, Prices, estimate_tokens, find_objection

NOW = 10 * HOUR_SECONDS


def spent(*costs: float, time: float = NOW - 1) -> list[LlmUsage]:
    return [LlmUsage(id=str(number), time=time, cost=cost) for number, cost in enumerate(costs)]


def test_prices_are_dollars_for_a_million_tokens():
    assert Prices(sent=3.0, received=15.0).compute_cost(1_000_000, 100_000) == 4.5


def test_next_request_must_fit_into_the_hour():
    def why(costs: list[LlmUsage], cost: float) -> str:
        return find_objection(costs, cost, calls=3, dollars=1.0, now=NOW)

    assert why(spent(0.5, 0.4), 0.1) == ""
    assert (
        why(spent(0.5, 0.4), 0.2)
        == "$0.90 of $1.00 was spent in the last hour, and another request may cost $0.200"
    )
    assert why(spent(0.0, 0.0, 0.0), 0.0) == "3 requests were made in the last hour"
    assert why(spent(0.9, 0.9, 0.9, time=NOW - HOUR_SECONDS), 0.5) == ""


def test_project_leaves_half_of_the_hour_to_others():
    evil = [msgspec.structs.replace(each, project="evil") for each in spent(0.1, 0.1, 0.1)]

    def why(project: str, cost: float = 0.1, *, shared: bool = False, of: list[LlmUsage] = evil) -> str:
        return find_objection(of, cost, calls=6, dollars=2.0, now=NOW, project=project, shared=shared)

    assert why("evil") == "", "alone it has the whole hour"
    assert (
        why("evil", shared=True)
        == "3 of 6 requests in the last hour were for its project, which is its share"
    )
    assert why("shop", shared=True) == ""
    both = [*evil, LlmUsage(id="s", time=NOW - 1, cost=0.95, project="shop")]
    assert why("evil", of=both).startswith("3 of 6 requests")
    assert why("shop", of=both).endswith("for its project, which is its share")
    assert why("new", 0.7, of=both) == ""
    assert why("new", 0.9, of=both).startswith("$1.25 of $2.00 was spent")


def test_clock_set_back_keeps_the_spending():
    assert find_objection(spent(1.0, time=NOW + HOUR_SECONDS), 0.1, calls=9, dollars=1.0, now=NOW)


def test_model_without_price_is_limited_by_requests():
    assert find_objection(spent(5.0), 0.0, calls=9, dollars=1.0, now=NOW) == ""


def test_token_estimate_is_an_upper_bound():
    assert estimate_tokens("a plain english sentence of nine words or so") >= 11
    assert estimate_tokens("") == 1


def test_backoff_of_a_failing_service_doubles_to_a_maximum():
    state, waits, now = CLOSED_CIRCUIT, [], NOW
    for _ in range(9):
        state = state.record_failure("down", now)
        waits.append(state.get_seconds_left(now))
        now = state.until
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits[-1] == 300.0


def test_retry_after_is_respected_up_to_a_maximum():
    assert CLOSED_CIRCUIT.record_failure("busy", NOW, wait=42.0).get_seconds_left(NOW) == 42.0
    assert (
        CLOSED_CIRCUIT.record_failure("busy", NOW, wait=1e9).get_seconds_left(NOW) == MAX_SERVICE_WAIT_SECONDS
    )
    assert CLOSED_CIRCUIT.record_failure("busy", NOW, wait=42.0).get_seconds_left(NOW + 42.0) == 0.0
    assert (
        CLOSED_CIRCUIT.record_failure("busy", NOW).get_seconds_left(NOW - 2 * MAX_SERVICE_WAIT_SECONDS) == 0.0
    )


def test_requests_in_flight_do_not_change_the_backoff():
    state = CLOSED_CIRCUIT.record_failure("busy", NOW, wait=42.0)
    for _ in range(4):
        state = state.record_failure("busy", NOW + 1)
    assert state.get_seconds_left(NOW + 1) == 41.0
    assert state.record_failure("busy", state.until).get_seconds_left(state.until) == 10.0
