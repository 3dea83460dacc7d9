"""What becomes of a model's advice."""

import msgspec
import pytest

from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.llm.validate import (
    FALSE_ALARM,
    HOST_ROOT,
    Advice,
    correct_quote_sources,
    fall_back_to_rules,
    find_objections,
    is_own_evidence,
    judge_advice,
    list_choices,
    sanitize_text,
)
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Diagnosis, Investigation, Kind, Quote
from tests.support.samples import alert

ALL = ResponderSettings(actions=list(Action), cleanup_host=True)
RULES = Verdict(Action.RESTART, Diagnosis(cause="crash", confidence=0.9, reasons=("exit code 1",)))
EVIDENCE = {"alert": ("exit code 1",), "log": ("panic: out of  Tickets",), "log db": ("disk full",)}
SCALE_CPU, SCALE_MEMORY = "hemostat.scale.cpu_max", "hemostat.scale.memory_max"


def choose(kind: Kind, limits: ResponderSettings = ALL, **labels: str) -> tuple[str, ...]:
    container = Container(
        id="c", name="web", labels={name.replace("__", "."): v for name, v in labels.items()}
    )
    return list_choices(alert(kind=kind, container=container), limits)


def test_choices_are_the_remedies_that_the_policy_allows():
    assert choose(Kind.EXITED) == ("restart", "none")
    assert choose(Kind.STORM) == ("none",)
    assert choose(Kind.EXITED, ResponderSettings(actions=[])) == ("none",)
    assert choose(Kind.EXITED, hemostat__job="true") == ("none",)
    assert choose(Kind.CPU_HIGH, hemostat__job="true") == ("none", FALSE_ALARM)


def test_command_is_a_choice_if_a_label_names_one():
    assert choose(Kind.HUNG) == ("restart", "none")
    assert choose(Kind.HUNG, hemostat__exec="reload") == ("restart", "exec", "none")


@pytest.mark.parametrize(
    ("kind", "label", "limit"),
    [
        (Kind.CPU_THROTTLED, SCALE_CPU, {"scale_cpu_max": 2.0}),
        (Kind.OOM, SCALE_MEMORY, {"scale_memory_max": 1 << 30}),
    ],
)
def test_scaling_is_a_choice_below_a_ceiling(kind, label, limit):
    assert "scale" not in choose(kind)
    assert "scale" in choose(kind, **{label.replace(".", "__"): "2"})
    assert "scale" in choose(kind, msgspec.structs.replace(ALL, **limit))
    other = SCALE_MEMORY if label == SCALE_CPU else SCALE_CPU
    assert "scale" not in choose(kind, **{other.replace(".", "__"): "2"})


# --- objections -------------------------------------------------------------------------------------


def advise(*quotes: tuple[str, str], **fields) -> Advice:
    plain = {"cause": "crash", "summary": "It ran out of tickets.", "confidence": 0.9, "choice": "restart"}
    made = tuple(Quote(*each) for each in quotes or [("log", "out of tickets")])
    return Advice(**{**plain, "quotes": made, **fields})


def object_to(advice: Advice, **fields) -> list[str]:
    return find_objections(advice, alert(**fields), ALL, EVIDENCE, ["web", "db"])


def test_advice_within_the_evidence_has_no_objection():
    assert object_to(advise()) == []
    assert object_to(advise(roots=("web", "db", HOST_ROOT))) == []
    assert object_to(advise(roots=("cache",)), downstream=("cache",)) == []


def test_objections_name_what_is_unusable():
    assert object_to(advise(choice="delete")) == ["action must be one of: restart, none"]
    assert object_to(advise(roots=("cache",))) == ["roots must be among: db, host, web"]
    assert object_to(advise(quotes=())) == ["quote at least one piece of the evidence"]
    assert object_to(advise(("log", "panic"), ("log", "made up"))) == [
        "evidence, number 2: this is nowhere in what you were shown, word for word"
    ]


@pytest.mark.parametrize(("text", "is_found"), [("pan", True), (" pa ", False), ("PANIC: Out", True)])
def test_quote_needs_three_characters_of_the_evidence(text, is_found):
    assert (object_to(advise(("log", text))) == []) is is_found


def test_source_of_a_quote_is_corrected():
    corrected = correct_quote_sources(
        advise(("alert", "disk full"), ("log", "panic"), ("x", "made up"), ("log db", "disk")), EVIDENCE
    )
    assert [each.source for each in corrected.quotes] == ["log db", "log", "x", "log db"]


# --- verdicts ---------------------------------------------------------------------------------------


def judge(advice: Advice, min_confidence: float = 0.7, **fields) -> Verdict:
    model = Investigation(model="m")
    return judge_advice(advice, alert(**fields), RULES, model, min_confidence=min_confidence)


def test_advice_that_agrees_with_the_rules_is_taken():
    verdict = judge(advise(roots=("web",), expect="it runs", alternative="a bug"))
    assert (verdict.action, verdict.parameters) == (Action.RESTART, {})
    assert verdict.diagnosis.reasons == ("It ran out of tickets.",)
    assert (verdict.diagnosis.cause, verdict.diagnosis.advisor) == ("crash", "m")
    investigation = verdict.diagnosis.investigation
    assert investigation.roots == ("web",)
    assert investigation.quotes == (Quote("log", "out of tickets"),)
    assert (investigation.expect, investigation.alternative) == ("it runs", "a bug")


@pytest.mark.parametrize(("confidence", "action"), [(0.7, Action.RESTART), (0.69, Action.NONE)])
def test_unsure_advice_is_not_acted_on(confidence, action):
    verdict = judge(advise(confidence=confidence))
    assert verdict.action is action
    if action is Action.NONE:
        assert verdict.diagnosis.reasons[1:] == (
            "restart was advised, but the confidence 0.69 is too low",
            "result of the rules: crash, restart",
        )


def test_unsure_advice_to_do_nothing_is_taken():
    assert judge(advise(choice="none", confidence=0.1)).diagnosis.reasons == (
        "It ran out of tickets.",
        "result of the rules: crash, restart",
    )


def test_evidence_from_another_container_justifies_no_action():
    verdict = judge(advise(("log db", "disk full")))
    assert verdict.action is Action.NONE
    assert verdict.diagnosis.reasons[1] == "restart was advised only on evidence from another container"
    assert judge(advise(("log db", "disk full"), ("log web", "x"))).action is Action.RESTART
    assert judge(advise(("log db", "disk full"), choice="none")).diagnosis.reasons[1:] == (
        "result of the rules: crash, restart",
    )


def test_root_elsewhere_justifies_no_action():
    verdict = judge(advise(roots=("db", "cache")))
    assert verdict.action is Action.NONE
    assert verdict.diagnosis.reasons[1] == "the root cause is db, cache: no action here"
    assert judge(advise(roots=("db", "web"))).action is Action.RESTART
    assert judge(advise(roots=())).action is Action.RESTART
    host = Container(id="", name="h")
    assert judge(advise(roots=(HOST_ROOT,), choice="cleanup"), container=host).action is Action.CLEANUP
    assert judge(advise(roots=(HOST_ROOT,))).action is Action.NONE


def test_dismissed_alert_has_no_action():
    verdict = judge(advise(choice=FALSE_ALARM, roots=("db",)), kind=Kind.CPU_HIGH)
    assert verdict.action is None
    assert verdict.diagnosis.reasons[1:] == ("result of the rules: crash, restart",)


@pytest.mark.parametrize(
    ("kind", "resource"), [(Kind.CPU_THROTTLED, "cpu"), (Kind.CPU_HIGH, "cpu"), (Kind.OOM, "memory")]
)
def test_scaling_names_the_resource_of_the_alert(kind, resource):
    assert judge(advise(choice="scale"), kind=kind).parameters == {"resource": resource}


@pytest.mark.parametrize(
    ("action", "text"), [(None, "false alarm"), (Action.NONE, "no action"), (Action.EXEC, "exec")]
)
def test_result_of_the_rules_is_told_where_it_differs(action, text):
    rules = msgspec.structs.replace(RULES, action=action)
    verdict = judge_advice(advise(), alert(), rules, Investigation(model="m"), min_confidence=0.1)
    assert verdict.diagnosis.reasons[1:] == (f"result of the rules: crash, {text}",)


def test_numbers_of_roots_and_quotes_are_bounded():
    many = advise(*[("log", "panic")] * 12, roots=tuple(f"c{number}" for number in range(12)))
    investigation = judge(many).diagnosis.investigation
    assert (len(investigation.roots), len(investigation.quotes)) == (10, 8)


def test_rules_are_followed_when_the_model_gives_no_answer():
    verdict = fall_back_to_rules(RULES, "no\nanswer")
    assert (verdict.action, verdict.diagnosis.reasons) == (
        Action.RESTART,
        ("exit code 1", "by the rules: no answer"),
    )


def test_text_of_a_model_is_one_bounded_line_without_secrets():
    assert sanitize_text("a\n  b") == "a b"
    assert sanitize_text("x" * 300) == "x" * 300
    assert sanitize_text("x" * 301) == "x" * 300 + "…"
    assert "hunter2" not in sanitize_text("password=hunter2")


@pytest.mark.parametrize(
    ("source", "is_own"), [("log", True), ("log web", True), ("log db", False), ("log web 2", False)]
)
def test_evidence_is_own_by_the_name_in_its_source(source, is_own):
    assert is_own_evidence(source, alert()) is is_own
