"""Which deaths somebody wanted, by the signals before them and the engine's own word."""

import pytest

from hemostat.core.detection import stop_intent
from hemostat.core.detection.stop_intent import (
    StopRequest,
    find_own_restart,
    get_stop_wait,
    is_requested_death,
    is_stopping,
    read_kill_event,
    read_stop_event,
)
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.events import Action, Outcome
from tests.support.samples import NOW, WEB

HUP, INT, QUIT, KILL, USR1, TERM = 1, 2, 3, 9, 10, 15


def kill(signal: int | None) -> EngineEvent:
    return EngineEvent(time=NOW, action="kill", container=WEB, signal=signal)


def info(**fields) -> ContainerInfo:
    return ContainerInfo(**{"ref": WEB, "status": "running", "started_at": NOW - 100, **fields})


@pytest.mark.parametrize(
    ("signal", "stop_signal", "is_wish"),
    [
        *((signal, None, True) for signal in (TERM, KILL, INT, QUIT, None)),
        *((signal, None, False) for signal in (HUP, USR1)),
        (USR1, USR1, True),
        (TERM, QUIT, True),
    ],
)
def test_fatal_signal_is_a_stop_intent(signal, stop_signal, is_wish):
    assert (read_kill_event(kill(signal), info(stop_signal=stop_signal)) is not None) is is_wish


@pytest.mark.parametrize(
    ("signal", "fields", "seconds"),
    [
        (TERM, {}, 15),
        (TERM, {"stop_timeout": 60}, 65),
        (TERM, {"stop_timeout": -1}, 605),
        (QUIT, {}, 5),
        (QUIT, {"stop_signal": QUIT}, 15),
        (TERM, {"stop_signal": QUIT}, 5),
    ],
)
def test_death_is_intended_only_soon_after_its_signal(signal, fields, seconds):
    stop = read_kill_event(kill(signal), info(**fields))
    assert is_requested_death(stop, NOW + seconds - 0.1)
    assert not is_requested_death(stop, NOW + seconds + 0.1)
    assert is_stopping(stop, NOW + seconds - 0.1)
    assert not is_stopping(stop, NOW + seconds + 0.1)


def test_second_signal_of_a_long_stop_renews_the_intent():
    """`docker stop -t 60` sends SIGKILL at the end."""
    late = EngineEvent(time=NOW + 60, action="kill", container=WEB, signal=KILL)
    assert is_requested_death(read_kill_event(late, info()), NOW + 60.2)


def test_stop_event_proves_the_intent_before_or_after():
    said = read_stop_event(EngineEvent(time=NOW, action="stop", container=WEB))
    assert is_requested_death(said, NOW - 0.2)
    assert is_requested_death(said, NOW + 0.2)


def test_own_stop_is_not_a_stop_intent():
    assert not is_requested_death(StopRequest(time=NOW, until=NOW + 10, ours=True), NOW + 1)


@pytest.mark.parametrize(
    ("stop", "code", "podman", "kills", "seconds"),
    [
        (None, 1, False, False, 0.0),
        (None, 137, False, True, 0.0),
        (None, 137, False, False, stop_intent.UNHINTED_STOP_WAIT_SECONDS),
        (None, 1, True, False, stop_intent.HINTED_STOP_WAIT_SECONDS),
        (StopRequest(time=NOW, until=NOW), 7, False, True, stop_intent.HINTED_STOP_WAIT_SECONDS),
    ],
)
def test_death_is_held_while_a_stop_event_may_follow(stop, code, podman, kills, seconds):
    assert get_stop_wait(stop, code, podman=podman, kills=kills) == seconds


def attempt(**fields) -> Attempt:
    plain = {"key": "k", "container": "web", "action": Action.RESTART, "by": "r", "time": NOW}
    return Attempt(**{**plain, "lease": NOW + 60, "started_at": NOW - 100, **fields})


DOWN = {"status": "exited", "finished_at": NOW + 10}


@pytest.mark.parametrize(
    ("fields", "made", "ours"),
    [
        ({}, {}, True),
        ({}, {"started_at": NOW - 500}, False),
        ({}, {"action": Action.EXEC}, False),
        ({}, {"outcome": Outcome.FAILED, "finished": NOW + 5}, False),
        ({}, {"lease": NOW}, False),
        (DOWN, {}, True),
        (DOWN, {"lease": NOW + 12}, True),
        (DOWN, {"outcome": Outcome.FAILED, "finished": NOW + 11}, True),
        (DOWN, {"outcome": Outcome.FAILED, "finished": NOW + 5}, False),
        (DOWN, {"outcome": Outcome.NOT_APPLICABLE, "finished": NOW + 11}, False),
        ({**DOWN, "started_at": NOW + 5}, {}, False),
    ],
)
def test_restart_is_own_when_it_targeted_this_process(fields, made, ours):
    assert (find_own_restart(info(**fields), [attempt(**made)], NOW + 20) is not None) is ours
