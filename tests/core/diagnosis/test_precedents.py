"""What an incident's past says about what to do now."""

import msgspec
import pytest

from hemostat.core.diagnosis.case import Precedent, compute_log_fingerprint, compute_signature
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.diagnosis.precedents import (
    apply_precedents,
    replace_tried_action,
    should_ask_llm,
    should_load_precedents,
)
from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Evidence, Kind, Outcome
from tests.support.samples import alert

HUNG = alert(
    kind=Kind.UNHEALTHY,
    container=Container(id="c1", name="web", image="web:1", labels={"hemostat.exec": "reload"}),
)
ALL = ResponderSettings(actions=tuple(Action))


def ended(action: Action, outcome: Outcome, time: float) -> Precedent:
    return Precedent(time=time, host="h", container="web", action=action, outcome=outcome, cause="hung")


EXEC_FAILED, EXEC_AGAIN = (ended(Action.EXEC, Outcome.FAILED, time) for time in (1.0, 3.0))
EXEC_HEALED = ended(Action.EXEC, Outcome.HEALED, 4.0)
RESTART_HEALED = ended(Action.RESTART, Outcome.HEALED, 2.0)


@pytest.mark.parametrize(
    ("past", "action"),
    [
        ([], Action.EXEC),
        ([EXEC_FAILED], Action.EXEC),
        ([EXEC_FAILED, RESTART_HEALED], Action.RESTART),
        ([EXEC_FAILED, EXEC_AGAIN], Action.RESTART),
        ([RESTART_HEALED, EXEC_AGAIN], Action.EXEC),
        ([EXEC_FAILED, RESTART_HEALED, EXEC_HEALED], Action.EXEC),
    ],
    ids=["no past", "failed once", "then restart healed", "failed twice", "healed before", "healed at last"],
)
def test_action_that_helped_is_tried_first(past, action):
    verdict = apply_precedents(HUNG, diagnose(HUNG), past, ALL, host="h")
    assert verdict.action is action
    told = "did not help the last time" in verdict.diagnosis.reasons[-1]
    assert told == (action is Action.RESTART)


@pytest.mark.parametrize("other", [{"container": "other"}, {"host": "elsewhere"}])
def test_precedents_of_other_containers_do_not_apply(other):
    past = [msgspec.structs.replace(each, **other) for each in (EXEC_FAILED, EXEC_AGAIN)]
    assert apply_precedents(HUNG, diagnose(HUNG), past, ALL, host="h").action is Action.EXEC


def test_forbidden_action_is_not_suggested():
    past = [EXEC_FAILED, EXEC_AGAIN]
    assert (
        apply_precedents(
            HUNG, diagnose(HUNG), past, ResponderSettings(actions=(Action.EXEC,)), host="h"
        ).action
        is Action.EXEC
    )


def test_no_action_is_suggested_for_incurable_failures():
    down = alert(kind=Kind.CRASH_LOOP)
    assert (
        apply_precedents(
            down, diagnose(down), [ended(Action.RESTART, Outcome.HEALED, 1.0)], ALL, host="h"
        ).action
        is Action.NONE
    )


def test_precedents_are_not_used_for_a_crash():
    assert not should_load_precedents(alert(), diagnose(alert()))
    assert should_load_precedents(HUNG, diagnose(HUNG))


def test_incidents_of_one_image_kind_and_exit_code_share_a_signature():
    other = alert(container=Container(id="c2", name="web-2", image="busybox"))
    assert compute_signature(other) == compute_signature(alert())
    for changed in (
        alert(kind=Kind.OOM),
        alert(evidence=(Evidence("exit_code", 2.0),)),
        alert(container=msgspec.structs.replace(other.container, image="nginx")),
    ):
        assert compute_signature(changed) != compute_signature(alert())


def test_logs_that_differ_only_in_numbers_are_equal():
    first = "2026-01-01T10:00:00 pid 7: cannot open /data/5f3a9c1e: no space left\nbye"
    second = "2026-02-03T11:22:33 pid 12345: cannot open /data/77aa00ff: no space left\nbye"
    assert (
        compute_log_fingerprint(first)
        == compute_log_fingerprint(second)
        != compute_log_fingerprint("something else")
    )
    assert compute_log_fingerprint(first + "\n" + first) == compute_log_fingerprint(first)
    assert compute_log_fingerprint("\n \n") == ""
    assert compute_log_fingerprint("pod web-7d4b9c6f5 of 3f2a") == compute_log_fingerprint(
        "pod web-5b6c7d8e9 of 3f2a"
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a-", "a", "0x", "1-", "-"])
def test_log_comparison_takes_bounded_time(unit):
    assert compute_log_fingerprint(unit * 100_000)


def advise(*precedents: Precedent, **changes):
    told = msgspec.structs.replace(HUNG, **changes)
    return apply_precedents(told, diagnose(told), precedents, ALL, host="h")


def test_reason_names_why_the_next_action_is_tried():
    assert advise(EXEC_FAILED, RESTART_HEALED).diagnosis.reasons[-1] == (
        "exec did not help the last time, restart healed it"
    )
    assert advise(EXEC_FAILED, EXEC_AGAIN).diagnosis.reasons[-1] == (
        "exec did not help the last time, and the time before that"
    )


def test_next_action_must_have_healed_since_the_failure():
    at_once = msgspec.structs.replace(RESTART_HEALED, time=EXEC_FAILED.time)
    assert advise(EXEC_FAILED, at_once).action is Action.RESTART
    before = msgspec.structs.replace(RESTART_HEALED, time=EXEC_FAILED.time - 0.1)
    assert advise(EXEC_FAILED, before).action is Action.EXEC
    failed = msgspec.structs.replace(RESTART_HEALED, outcome=Outcome.FAILED)
    assert advise(EXEC_FAILED, failed).action is Action.EXEC


@pytest.mark.parametrize("action", [None, Action.NONE])
def test_verdict_without_an_action_is_kept(action):
    verdict = msgspec.structs.replace(diagnose(HUNG), action=action)
    assert apply_precedents(HUNG, verdict, [EXEC_FAILED, EXEC_AGAIN], ALL, host="h") is verdict
    assert not should_load_precedents(HUNG, verdict)


def test_tried_action_is_replaced_in_the_same_incident():
    own = msgspec.structs.replace(EXEC_HEALED, incident="i1")
    replaced = replace_tried_action(HUNG, diagnose(HUNG), [own], "i1")
    assert replaced.action is Action.RESTART
    assert replaced.diagnosis.reasons[-1] == "the failure returned after exec"
    assert replace_tried_action(HUNG, diagnose(HUNG), [own], "i2") == diagnose(HUNG)
    dismissed = msgspec.structs.replace(diagnose(HUNG), action=None)
    assert replace_tried_action(HUNG, dismissed, [own], "i1") is dismissed


@pytest.mark.parametrize(
    ("fields", "confidence", "settings", "asks"),
    [
        ({}, 0.5, {"ask_below": 0.6, "ask": ()}, True),
        ({}, 0.6, {"ask_below": 0.6, "ask": ()}, False),
        ({}, 0.9, {"ask_below": 0.0, "ask": (Kind.UNHEALTHY,)}, True),
        ({"root": "db"}, 0.1, {"ask_below": 0.6, "ask": (Kind.UNHEALTHY,)}, False),
    ],
)
def test_model_is_asked_about_kinds_and_unsure_verdicts(fields, confidence, settings, asks):
    verdict = diagnose(HUNG)
    unsure = msgspec.structs.replace(
        verdict, diagnosis=msgspec.structs.replace(verdict.diagnosis, confidence=confidence)
    )
    told = msgspec.structs.replace(HUNG, **fields)
    assert should_ask_llm(told, unsure, AnalyzerSettings(**settings)) is asks


@pytest.mark.parametrize("cause", [Cause.CHECK_CANNOT_RUN, Cause.UNREACHABLE])
def test_model_is_not_asked_about_a_proven_cause(cause):
    verdict = diagnose(HUNG)
    proven = msgspec.structs.replace(
        verdict, diagnosis=msgspec.structs.replace(verdict.diagnosis, cause=cause.value, confidence=0.1)
    )
    assert not should_ask_llm(HUNG, proven, AnalyzerSettings(ask_below=0.9))
