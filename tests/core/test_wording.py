"""Every value has words for people."""

import re

import pytest

from hemostat.core import wording
from hemostat.core.diagnosis.causes import Cause
from hemostat.core.history import alert_sentences, incident_log
from hemostat.core.notify.message import HEADLINE_TEMPLATES, TOPIC_TEXTS
from hemostat.core.settings.alert import Topic
from hemostat.core.wording import describe_cause, describe_kind, describe_reason, describe_status
from hemostat.events import Action, Kind, Outcome, Reason, Word

TABLES = {
    "kinds": (wording.KIND_TEXTS, Kind),
    "recoveries": (wording.RECOVERY_TEXTS, Kind),
    "actions": (wording.ACTION_WORDS, Action),
    "outcomes": (wording.OUTCOME_TEXTS, Outcome),
    "reasons": (wording.REASON_TEXTS, Reason),
    "decisions": (wording.DECISION_TEXTS, Word),
    "headlines of alerts": (alert_sentences._HEADLINES, Kind),
    "topics": (TOPIC_TEXTS, Topic),
    "headlines of messages": (HEADLINE_TEMPLATES, Topic),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_value_has_a_text(name):
    texts, values = TABLES[name]
    assert set(texts) == set(values)


def collect_texts():
    for texts, _ in TABLES.values():
        for text in texts.values():
            yield from [text] if isinstance(text, str) else text if isinstance(text, tuple) else ()
    yield from wording.STATUS_TEXTS.values()
    yield from wording.CAUSE_TEXTS.values()
    yield from alert_sentences.FACT_TEXTS.values()
    yield from alert_sentences.END_TEXTS.values()
    yield from (describe_cause(cause, kind) for cause in Cause for kind in Kind)


def test_texts_are_parts_of_sentences():
    for text in set(collect_texts()):
        assert re.fullmatch(r"[A-Za-z{][\w {}(),:;?'/-]*[\w}?)]", text), text
        assert "_" not in text
        assert "  " not in text


def test_every_status_of_an_incident_has_a_text():
    named = (
        incident_log.SETTLED_STATUSES
        | incident_log.LEFT_TO_PEOPLE
        | incident_log.UNFINISHED_STATUSES
        | incident_log.PENDING_STATUSES
        | {"open", "verifying", *Outcome}
    )
    assert named <= wording.STATUS_TEXTS.keys()


def test_changed_causes_exist():
    assert wording.CAUSE_TEXTS.keys() <= set(Cause)


def test_words_of_another_version_are_shown_without_underscores():
    assert describe_kind("some_kind") == "some kind"
    assert describe_status("some_status") == "some status"
    assert describe_cause("some_cause", Kind.EXITED) == "some cause"


@pytest.mark.parametrize(
    ("reason", "detail", "text"),
    [
        (Reason.COOLDOWN, "", "cooldown"),
        (Reason.COOLDOWN, "for another 5 min", "cooldown for another 5 min"),
        (Reason.PAUSED, "paused by ann@h", "paused by ann@h"),
        (Reason.REJECTED, "by ann@h: not now", "rejected by ann@h: not now"),
        (Reason.BUDGET_SPENT, "3 of 3", "its budget is spent (3 of 3)"),
        (Reason.NOT_VERIFIED, "it is exited", "it is exited"),
    ],
)
def test_reason_is_told_with_its_detail(reason, detail, text):
    assert describe_reason(reason, detail) == text


def test_hung_is_told_by_what_fails():
    assert describe_cause("hung", Kind.UNHEALTHY) == "health check fails"
    assert describe_cause("hung", Kind.HUNG) == "probe fails"
