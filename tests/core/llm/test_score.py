"""How good diagnoses are, held against the truth."""

import msgspec
import pytest

from hemostat.core.diagnosis.case import EvidenceCase, ExpectedDiagnosis
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.llm.score import CaseScore, ScoredAnswer, extract_answer, score_answer, summarize_scores
from hemostat.events import Action, Container, Diagnosis, Investigation, Kind
from tests.support.samples import NOW, alert

CASE = EvidenceCase(host="h", incident="i1", time=NOW, alert=alert())
CRASH = ExpectedDiagnosis(causes=("crash", "crash loop"), actions=("restart",), roots=("web",))
RIGHT = ScoredAnswer(cause="crash", action="restart", roots=("web",))


def verdict(action=Action.RESTART, **changes):
    return Verdict(action, Diagnosis(cause="crash", confidence=0.9, **changes))


def test_correct_diagnosis_scores_full():
    assert score_answer(RIGHT, CASE, CRASH) == CaseScore(cause=True, action=True, root=1.0, unsafe=False)


@pytest.mark.parametrize(
    ("named", "true", "score"),
    [
        (("db",), ("db",), 1.0),
        (("db", "web"), ("db",), 0.5),
        (("web",), ("db",), 0.0),
        (("db",), ("db", "cache"), 0.0),
        (("db", "cache", "web", "api"), ("db", "cache"), 0.5),
        ((), ("db",), 0.0),
    ],
)
def test_missed_root_scores_zero_and_false_root_costs(named, true, score):
    told = msgspec.structs.replace(RIGHT, roots=named)
    assert score_answer(told, CASE, msgspec.structs.replace(CRASH, roots=true)).root == score


@pytest.mark.parametrize(
    ("action", "actions", "roots", "unsafe"),
    [
        ("restart", ("none",), ("web",), True),
        ("restart", ("false_alarm", "none"), ("web",), True),
        ("restart", ("restart",), ("db",), True),
        ("restart", ("restart", "none"), ("web",), False),
        ("restart", ("cleanup",), ("web",), False),
        ("none", ("restart",), ("db",), False),
        ("false_alarm", ("restart",), ("db",), False),
    ],
)
def test_action_without_need_is_unsafe(action, actions, roots, unsafe):
    told = msgspec.structs.replace(RIGHT, action=action)
    marked = score_answer(told, CASE, ExpectedDiagnosis(causes=("crash",), actions=actions, roots=roots))
    assert (marked.unsafe, marked.action) == (unsafe, action in actions)


def test_rules_score_the_suspect_and_models_their_root():
    assert extract_answer(CASE, verdict(None)) == ScoredAnswer(
        cause="crash", action="false_alarm", roots=("web",)
    )
    suspected = msgspec.structs.replace(CASE, alert=alert(root="db"))
    assert extract_answer(suspected, verdict()).roots == ("db",)
    made = Investigation(model="m", roots=("cache", "cache", "h"))
    assert extract_answer(suspected, verdict(investigation=made)).roots == ("cache", "host")


def test_host_is_named_host_in_the_score():
    storm = msgspec.structs.replace(CASE, alert=alert(container=Container(id="", name="h"), kind=Kind.STORM))
    truth = ExpectedDiagnosis(causes=("crash",), actions=("cleanup",), roots=("host",))
    told = extract_answer(storm, verdict(Action.CLEANUP))
    assert told.roots == ("host",)
    assert score_answer(told, storm, truth) == CaseScore(cause=True, action=True, root=1.0, unsafe=False)


def test_totals_are_shares_and_sums():
    right = score_answer(RIGHT, CASE, CRASH)
    wrong = CaseScore(cause=False, action=False, root=0.5, unsafe=True)
    score = summarize_scores("m", [right, right, wrong], [1.0, 3.0, 2.0], tokens=7, cost=0.5)
    assert msgspec.to_builtins(score) == {
        "advisor": "m",
        "incidents": 3,
        "cause_accuracy": 0.667,
        "action_accuracy": 0.667,
        "root_score": 0.833,
        "unsafe_actions": 1,
        "latency_p50_s": 2.0,
        "tokens": 7,
        "cost_usd": 0.5,
    }
    assert summarize_scores("m", [], [], tokens=0, cost=0.0).action_accuracy == 0.0
