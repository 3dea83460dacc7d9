"""State of a former version in files: database, replay file, eval case, configuration, view."""

import json
import os

import pytest

from hemostat.adapters.replay_file import read_replay
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.events import DURABLE, TYPES, encode
from hemostat.tui.data.replay import ReplayBus, ReplayClock
from hemostat.tui.saved_view import load_view
from tests.compat.record import COMMANDS, FIXTURES, SHOW_SETTINGS, VIEW, as_read_now, plain, without_note
from tests.support.clock import FakeClock
from tests.support.lab.command import run

ANSWERS = json.loads((FIXTURES / "answers.json").read_text())


@pytest.mark.redis
@pytest.mark.parametrize("asked", COMMANDS, ids=" ".join)
def test_command_output_has_all_that_was_recorded(command, asked):
    printed = [json.loads(line) for line in command(*asked).splitlines()]
    recorded = [without_note(json.loads(line)) for line in ANSWERS[" ".join(asked)]]
    assert keep_fields(printed, recorded) == recorded


def keep_fields(printed, recorded):
    """Without the fields that were not printed formerly."""
    if isinstance(recorded, dict) and isinstance(printed, dict):
        return {key: keep_fields(each, recorded[key]) for key, each in printed.items() if key in recorded}
    if isinstance(recorded, list) and isinstance(printed, list) and len(printed) == len(recorded):
        return [keep_fields(*each) for each in zip(printed, recorded, strict=True)]
    return printed


@pytest.mark.redis
def test_the_recorded_audit_trail_is_verified(command):
    told = json.loads(command("--json", "audit", "verify"))
    assert told["findings"] == told["not_checked"] == []
    assert told["last"] == json.loads(ANSWERS["audit head --json"][0])["number"]


@pytest.mark.redis
def test_the_recorded_incident_is_explained(command):
    """The alert, the diagnosis and the evidence are found in Redis."""
    told = command("explain", "worker")
    assert "runaway" in told
    assert "openai:a-model" in told


def test_the_recorded_replay_file_is_played():
    replay = read_replay(FIXTURES / "replay.jsonl")
    header, *lines = map(json.loads, (FIXTURES / "replay.jsonl").read_text().splitlines())
    assert replay.notes == ()
    played = [json.loads(encode(each)) for each in replay.iterate_between(0, 1e11, tuple(TYPES))]
    assert {each["id"]: each for each in played} == {
        each["event"]["id"]: as_read_now(each["event"]) for each in lines
    }
    clock = ReplayClock(replay, FakeClock(), "recorded")
    clock.step(1e6)
    heard = [each for stream in DURABLE for each in ReplayBus(clock).read_recent(stream, 1000)]
    assert {each.host for each in heard} == {header["host"]}
    assert {each.container.name for each in build_incident_logs(heard)} >= {"web", "worker", "slow"}


def test_recorded_eval_case_is_evaluated():
    done = run(
        "--json", "eval", str(FIXTURES / "incidents"), "--advisor", "rules", env=plain(dict(os.environ))
    )
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)
    assert (score["incidents"], score["cause_accuracy"], score["action_accuracy"]) == (1, 1.0, 1.0)


def test_the_recorded_configuration_gives_the_recorded_settings():
    done = run(*SHOW_SETTINGS, env=plain(dict(os.environ)))
    assert done.returncode == 0, done.stderr
    recorded, present = json.loads((FIXTURES / "settings.json").read_text()), json.loads(done.stdout)
    assert recorded.keys() <= present.keys()
    for name, value in recorded.items():
        assert keep_fields(present[name], value) == value


def test_the_recorded_view_is_used():
    assert load_view(FIXTURES / "dashboard.json") == (VIEW, "")
