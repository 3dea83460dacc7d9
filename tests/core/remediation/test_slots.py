"""Who may have a slot of the host: one project holds at most half, and slow stops never hold all."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.labels.project import limit_per_project
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot
from hemostat.core.remediation.decision import DecisionInput, OtherProjects
from hemostat.core.remediation.slots import (
    MAX_RUN_SECONDS,
    START_SECONDS,
    compute_project_share,
    find_rush_wait,
    find_wait,
)
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Outcome
from tests.support.samples import NOW

PROJECT = "com.docker.compose.project"
LIMITS = ResponderSettings()


def attempt(number: int, project: str = "", **changes) -> Attempt:
    plain = Attempt(
        key=f"k{number}",
        container=f"c{number}",
        project=project,
        action=Action.RESTART,
        time=NOW - 1,
        by="responder@a",
        lease=NOW + 100,
    )
    return msgspec.structs.replace(plain, **changes)


def container(project: str = "") -> Container:
    return Container(id="v", name="victim", labels={PROJECT: project} if project else {})


def waits(project: str, held: list[Attempt], **changes) -> bool:
    limits, action = changes.pop("limits", LIMITS), changes.pop("action", Action.RESTART)
    situation = DecisionInput(book=LedgerSnapshot(version=1, running_attempts=tuple(held)), **changes)
    return find_wait("k", container(project), action, situation, limits, NOW) is not None


@pytest.mark.parametrize(
    ("others", "held", "waiting"),
    [
        *((OtherProjects.NONE, 3, False), (OtherProjects.NONE, 4, True)),
        *((OtherProjects.WELL, 2, False), (OtherProjects.WELL, 3, True)),
        *((OtherProjects.FAILING, 1, False), (OtherProjects.FAILING, 2, True)),
    ],
)
def test_project_uses_slots_that_others_leave(others, held, waiting):
    own = [attempt(number, "shop") for number in range(held)]
    assert waits("shop", own, others=others) is waiting
    assert waits("blog", own, others=others) is (held == 4)


def test_single_slot_is_shared_by_all_projects():
    limits = ResponderSettings(concurrency=1)
    assert not waits("shop", [], limits=limits, others=OtherProjects.FAILING)
    assert not waits("shop", [], limits=limits, others=OtherProjects.FAILING, stop_seconds=90.0)
    assert waits("shop", [attempt(1, "blog")], limits=limits)


@given(st.integers(1, 100), st.sampled_from(OtherProjects))
def test_share_is_at_least_one_and_never_all_slots(concurrency, others):
    assert 1 <= compute_project_share(others, concurrency) <= concurrency
    if others is OtherProjects.FAILING:
        assert compute_project_share(others, concurrency) <= max(1, concurrency / 2)
    if others is not OtherProjects.NONE and concurrency > 1:
        assert compute_project_share(others, concurrency) < concurrency


def test_slow_stops_leave_a_slot_to_a_stopped_container():
    slow = [
        attempt(number, f"p{number}", stop_seconds=120.0)
        for number in range(limit_per_project(LIMITS.concurrency))
    ]
    assert waits("shop", slow, stop_seconds=120.0)
    assert not waits("shop", slow, stop_seconds=10.0)
    assert not waits("shop", slow)


@pytest.mark.parametrize("action", [Action.RESTART, Action.CLEANUP, Action.EXEC])
def test_long_actions_leave_a_slot_to_a_start(action):
    """However many projects the others name."""
    stop = 10.0 if action is Action.RESTART else 0.0
    held: list[Attempt] = []
    while not waits(f"p{len(held)}", held, action=action, stop_seconds=stop):
        held.append(attempt(len(held), f"p{len(held)}", action=action, stop_seconds=stop))
        assert len(held) < LIMITS.concurrency
    assert not waits("shop", held)


def test_verification_of_a_slow_start_takes_no_slot():
    held = [attempt(number, f"p{number}", time=NOW - START_SECONDS) for number in range(4)]
    assert not waits("shop", held)
    stopping = [msgspec.structs.replace(each, stop_seconds=10.0) for each in held]
    assert waits("shop", stopping)


def test_slot_of_a_removed_container_is_free():
    held = [attempt(number) for number in range(4)]
    assert waits("", held)
    assert not waits("", held, gone=frozenset({"k0"}))
    assert waits("", held, gone=frozenset({"k0"}), in_hand=frozenset({"k0"}))


def test_rows_of_an_older_version_count_by_service():
    old = [attempt(number, service=f"shop/s{number}") for number in range(2)]
    assert waits("shop", old, others=OtherProjects.FAILING)
    assert not waits("blog", old, others=OtherProjects.FAILING)


def begun(number: int, project: str) -> Attempt:
    return attempt(number, project, time=NOW - 30 + number / 10, outcome=Outcome.HEALED, finished=NOW - 20)


def test_project_at_its_rush_limit_waits_alone():
    book = LedgerSnapshot(
        version=1, ended_attempts=tuple(begun(number, "shop") for number in range(LIMITS.rush))
    )
    assert find_rush_wait(container("shop"), 0.0, book, LIMITS, NOW) is not None
    assert find_rush_wait(container("blog"), 0.0, book, LIMITS, NOW) is None
    both = (
        *book.ended_attempts,
        *(begun(50 + number, "bots") for number in range(limit_per_project(LIMITS.rush))),
    )
    assert (
        find_rush_wait(container("blog"), 0.0, LedgerSnapshot(version=1, ended_attempts=both), LIMITS, NOW)
        is not None
    )


@pytest.mark.parametrize(
    ("ran", "others_ran", "waiting"),
    [
        *((600.0, 30.0, False), (600.0, 60.0, True)),
        *((30 * MAX_RUN_SECONDS, 3600.0, False), (30 * MAX_RUN_SECONDS, MAX_RUN_SECONDS, True)),
        (0.0, 0.0, True),
    ],
)
def test_long_runner_does_not_wait_for_short_ones(ran, others_ran, waiting):
    ended = tuple(
        msgspec.structs.replace(begun(number, f"p{number}"), ran=others_ran) for number in range(40)
    )
    book = LedgerSnapshot(version=1, ended_attempts=ended)
    assert (find_rush_wait(container("shop"), ran, book, LIMITS, NOW) is not None) is waiting


def test_project_waits_for_its_own_short_runners():
    book = LedgerSnapshot(
        version=1, ended_attempts=tuple(begun(number, "shop") for number in range(LIMITS.rush))
    )
    assert find_rush_wait(container("shop"), 3600.0, book, LIMITS, NOW) is not None
