"""The eval cases: their content, and how the rules decide them."""

from pathlib import Path

import pytest

from hemostat.cli.advisor.eval import OWN_DIRECTORIES
from hemostat.core.diagnosis.case import decode
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.llm.validate import FALSE_ALARM, HOST_ROOT
from hemostat.core.redact import redact
from hemostat.events import Action, Kind, Phase

DIRECTORY = Path(__file__).parent / "incidents"
FILES = sorted(DIRECTORY.glob("*.json"))
LARGEST = 64 * 1024

RECORDINGS = {path.stem: decode(path.read_bytes()) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_eval_case_has_valid_truth(path):
    recording = RECORDINGS[path.stem]
    case, truth = recording.case, recording.truth
    assert case.alert.phase is Phase.RAISED
    assert truth is not None
    assert truth.causes
    assert set(truth.causes) <= set(Cause)
    assert truth.actions
    assert set(truth.actions) <= {*Action, FALSE_ALARM}
    known = {HOST_ROOT, case.alert.container.name, *recording.neighbours}
    assert truth.roots
    assert set(truth.roots) <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_eval_case_is_anonymous(path):
    text = path.read_text()
    assert len(text) <= LARGEST
    assert RECORDINGS[path.stem].case.host == "host1"
    assert "hs-" not in text
    assert "hemostat.scenario" not in text
    assert redact(text) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_eval_case_does_not_contain_the_answer(path):
    """No part of it is later than the alert, except the diagnosis of an earlier incident."""
    case = RECORDINGS[path.stem].case
    assert case.dossier is None or case.dossier.action is Action.NONE
    assert case.story
    assert f"{case.alert.container.name}: {case.alert.kind}" in case.story[-1]


def test_eval_cases_cover_every_kind():
    truths = [recording.truth for recording in RECORDINGS.values()]
    assert len(RECORDINGS) >= 60
    assert {recording.case.alert.kind for recording in RECORDINGS.values()} == set(Kind) - {Kind.ORDERED}
    assert len({cause for truth in truths for cause in truth.causes}) >= 25
    for action in ("restart", "none", "cleanup", FALSE_ALARM):
        assert any(action in truth.actions for truth in truths), action
    assert sum(truth.roots != (r.case.alert.container.name,) for r, truth in _pairs()) >= 6
    most = max(sum(truth.actions == other.actions for other in truths) for truth in truths)
    assert most <= 0.7 * len(truths)


def _pairs():
    return [(recording, recording.truth) for recording in RECORDINGS.values()]


def test_default_eval_cases_are_the_packaged_ones():
    assert DIRECTORY.resolve() in [path.resolve() for path in OWN_DIRECTORIES]


def test_relapse_after_a_restart_is_escalated(hemostat):
    path = DIRECTORY / "relapse-app-unhealthy-relapsed.json"
    shown = hemostat("analyze", "--once", str(path), "--advisor", "rules").out
    assert "the failure returned after restart" in shown
    assert shown.splitlines()[-1].split() == ["action", "none"]


def test_rules_take_no_unsafe_action(hemostat):
    """The figures that docs/EVAL.md shows."""
    told = hemostat("eval", str(DIRECTORY), "--advisor", "rules", "--json").json
    assert (told["advisor"], told["incidents"]) == ("rules", len(FILES))
    assert told["action_accuracy"] >= 0.95
    assert told["unsafe_actions"] == 0
    assert told["root_score"] >= 0.95
    assert (told["tokens"], told["cost_usd"]) == (0, 0.0)
