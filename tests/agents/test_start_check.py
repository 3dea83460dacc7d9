"""Why a start must fail, and attempts without an end."""

import pytest

from hemostat.agents.responder.start_check import MAX_OWNERS, StartCheck
from hemostat.agents.responder.sweeper import MAX_CHECKED, Sweeper
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.responder import MAX_LOOKBACK_SECONDS
from hemostat.errors import EngineError, EngineTimeoutError, NoSuchContainerError
from hemostat.events import Action, Container, Outcome, Reason

NOW = 1_000_000.0


def info(name: str = "web", **fields) -> ContainerInfo:
    return ContainerInfo(**{"ref": Container(id=name, name=name), "status": "running", **fields})


class Inspector:
    def __init__(self, **answers: ContainerInfo | EngineError) -> None:
        self.answers, self.requested = answers, []

    def inspect(self, containers):
        self.requested += containers
        return {each: self.answers[each] for each in containers}


def check(container: ContainerInfo | None, action: Action = Action.RESTART, missing=None, **answers) -> str:
    return StartCheck(Inspector(**answers), missing).find_obstacle(action, container)


JOINED = info(joined=("vpn",))


def test_container_that_shares_no_namespace_can_start():
    assert check(info()) == ""
    assert check(JOINED, vpn=info("vpn")) == ""
    assert check(None) == ""


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            NoSuchContainerError("no such container"),
            "the container whose namespace it shares (vpn) no longer exists: recreate this container",
        ),
        (info("vpn", status="exited"), "vpn, whose namespace it shares, is exited"),
        (EngineError("forbidden"), ""),
    ],
)
def test_owner_of_the_namespace_must_run(answer, fault):
    assert check(JOINED, vpn=answer) == fault
    assert check(JOINED, Action.START, vpn=answer) == fault
    assert check(JOINED, Action.SCALE, vpn=answer) == ""


def test_running_container_is_not_stopped_while_the_owner_does_not_answer():
    silent = EngineTimeoutError("no answer")
    with pytest.raises(EngineTimeoutError):
        check(JOINED, vpn=silent)
    assert check(info(status="exited", joined=("vpn",)), vpn=silent) == ""
    both = info(joined=("vpn", "db"))
    assert (
        check(both, vpn=silent, db=info("db", status="exited")) == "db, whose namespace it shares, is exited"
    )


def test_number_of_inspected_owners_is_bounded():
    names = tuple(f"c{number}" for number in range(MAX_OWNERS + 1))
    inspector = Inspector(**{name: info(name) for name in names})
    assert StartCheck(inspector).find_obstacle(Action.RESTART, info(joined=names)) == ""
    assert inspector.requested == list(names[:-1])


def test_missing_path_is_an_obstacle():
    assert check(info(), missing=lambda _: "/data does not exist") == "/data does not exist"
    assert check(JOINED, missing=lambda _: "x", vpn=info("vpn", status="dead")).startswith("vpn")


# --- attempts without an end ----------------------------------------------------------------------


class Ledger:
    def __init__(self, *attempts: Attempt) -> None:
        self.attempts, self.ends, self.reads = attempts, [], 0

    def read(self, host: str, container: str) -> LedgerSnapshot:
        self.reads += 1
        return LedgerSnapshot(version=1, running_attempts=self.attempts)

    def finish(self, host: str, attempt: Attempt) -> None:
        self.ends.append(attempt)


class Neighbours:
    def __init__(self, *removed: str) -> None:
        self.removed, self.checked = removed, []

    def find_gone(self, attempts, now: float) -> frozenset[str]:
        self.checked = [each.key for each in attempts]
        return frozenset(self.removed) & set(self.checked)


class InFlight:
    def __init__(self, *names: str) -> None:
        self.names = names


def attempt(key: str, age: float, **fields) -> Attempt:
    plain = {
        "container": key,
        "action": Action.RESTART,
        "by": "r",
        "time": NOW - age,
        "lease": NOW - age + 60,
    }
    return Attempt(**{"key": key, **plain, **fields})


def sweep(*attempts: Attempt, removed=(), in_flight=()) -> tuple[list[str], list[str]]:
    """The keys of the attempts that are checked, and of those that are ended."""
    ledger, neighbours = Ledger(*attempts), Neighbours(*removed)
    Sweeper(ledger, neighbours, InFlight(*in_flight), host="h").sweep(NOW)
    for each in ledger.ends:
        assert (each.outcome, each.reason, each.finished) == (Outcome.NOT_APPLICABLE, Reason.GONE, NOW)
    return neighbours.checked, [each.key for each in ledger.ends]


def test_attempt_of_a_removed_container_is_ended():
    assert sweep(attempt("a", 9000), attempt("b", 9000), removed=["a"]) == (["a", "b"], ["a"])


def test_attempt_that_holds_a_slot_or_is_under_way_is_left_alone():
    assert sweep(attempt("a", 1), removed=["a"]) == ([], [])
    assert sweep(attempt("a", 9000), removed=["a"], in_flight=["a"]) == ([], [])
    assert sweep(attempt("a", -9000), removed=["a"]) == (["a"], ["a"]), "it is from the future"


@pytest.mark.parametrize(("more", "ends"), [(0.0, []), (1.0, ["a"])])
def test_attempt_beyond_the_lookback_is_ended(more, ends):
    assert sweep(attempt("a", MAX_LOOKBACK_SECONDS + more))[1] == ends


def test_number_of_checked_attempts_is_bounded():
    assert len(sweep(*(attempt(f"a{number}", 9000) for number in range(MAX_CHECKED + 1)))[0]) == MAX_CHECKED


def test_attempts_are_checked_once_a_minute():
    ledger = Ledger()
    sweeper = Sweeper(ledger, Neighbours(), InFlight(), host="h")
    for later in (0, 59.9, 60, 119, 30):
        sweeper.sweep(NOW + later)
    assert ledger.reads == 3
