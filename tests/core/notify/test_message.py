"""What a message says, whatever a channel makes of it."""

import shlex

import pytest

from hemostat.core.notify.message import (
    MAX_FACT_CHARACTERS,
    MAX_HEADLINE_CHARACTERS,
    MAX_LISTED_INCIDENTS,
    build_digest,
    format_headline,
    single,
)
from hemostat.core.settings.alert import Topic
from hemostat.events import Severity
from tests.support.notifications import HEALED, make_notification


def test_message_has_headline_facts_and_command():
    message = single(HEALED, {})
    assert message.title == "web is healed: exited"
    assert message.facts == (
        ("Where", "web on h, project shop"),
        ("What", "exited with code 1"),
        ("Why", "crash: exit code 1"),
        ("Outcome", "restarted, healed in 3.1 s"),
        ("Took", "3.1 s"),
    )
    assert message.more == "hemostat explain i1"


@pytest.mark.parametrize("incident", ["i;touch /tmp/x #", "x" * 2 * MAX_FACT_CHARACTERS + ";touch /tmp/x #"])
def test_commands_are_quoted_for_a_shell(incident):
    message = single(make_notification(Topic.ESCALATED, incident=incident), {})
    lexer = shlex.shlex(message.more, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    program, explain, first, separator, *rest = lexer
    assert (program, explain, separator) == ("hemostat", "explain", ";")
    assert rest == ["hemostat", "acknowledge", first, "or", "hemostat", "close", first]


def test_brief_is_the_headline_alone():
    message = single(HEALED, {}, brief=True)
    assert (message.facts, message.more) == ((), "")


@pytest.mark.parametrize("topic", list(Topic))
def test_every_topic_has_a_complete_headline(topic):
    told = format_headline(make_notification(topic), {})
    assert told
    assert "{" not in told
    assert "  " not in told


def test_custom_headline_uses_fields():
    templates = {"healed": "{host}/{container} is up after {took} ({severity})"}
    assert format_headline(HEALED, templates) == "h/web is up after 3.1 s (warning)"


@pytest.mark.parametrize("template", ["{container.__class__}", "{0}", "{container!r}", "{took:>99}", "{{x}}"])
def test_custom_headline_accesses_only_fields(template):
    told = format_headline(HEALED, {"healed": template})
    assert "class '" not in told
    assert len(told) <= len(template)


def test_untrusted_text_is_one_short_masked_line():
    message = single(make_notification(Topic.FAILED, cause="a\nb password=hunter2hunter2 " + "x" * 999), {})
    why = dict(message.facts)["Why"]
    assert "\n" not in why
    assert "hunter2" not in why
    assert len(why) == MAX_FACT_CHARACTERS


def test_digest_lists_incidents_that_need_people_first():
    many = [
        make_notification(Topic.HEALED, float(n), incident=f"i{n}", container=f"web-{n}") for n in range(30)
    ]
    message = build_digest([*many, make_notification(Topic.ESCALATED, 99.0, severity=Severity.CRITICAL)], {})
    assert message.title == "31 incidents: 30 healed, 1 over to you"
    assert message.lines[0] == "web: exited, over to you (h)"
    assert message.lines[MAX_LISTED_INCIDENTS:] == ("and 11 more",)
    assert (message.topic, message.severity) == (Topic.ESCALATED, Severity.CRITICAL)


def test_digest_names_as_many_incidents_as_fit():
    notifications = [make_notification(Topic.OPENED, time=float(n)) for n in range(MAX_LISTED_INCIDENTS)]
    assert len(build_digest(notifications, {}).lines) == MAX_LISTED_INCIDENTS
    more = [*notifications, make_notification(Topic.OPENED, time=99.0)]
    assert build_digest(more, {}).lines[-1] == "and 1 more"
    assert len(build_digest(more, {}).lines) == MAX_LISTED_INCIDENTS + 1
    assert build_digest(more, {}, brief=True).lines == ()
    assert build_digest(more, {}).more == "hemostat events"


def test_field_without_a_value_is_empty_in_a_template():
    template = {Topic.OPENED: "{container} {action}: [{took}]"}
    assert format_headline(make_notification(Topic.OPENED), template) == "web an action: []"
    took = make_notification(Topic.OPENED, took=3.1, action="restart")
    assert format_headline(took, template) == "web restart: [3.1 s]"
    assert "Took" not in dict(single(make_notification(Topic.OPENED), {}).facts)


def test_message_names_the_commands_for_its_incident():
    assert single(make_notification(Topic.ESCALATED), {}).more == (
        "hemostat explain i1; hemostat acknowledge i1 or hemostat close i1"
    )
    assert single(make_notification(Topic.OPENED), {}).more == "hemostat explain i1"


def test_message_about_hemostat_itself_names_no_incident():
    message = single(make_notification(Topic.GONE, kind="", container="monitor", what="for 1 min"), {})
    assert message.more == ""
    assert message.facts == (("Where", "h"), ("What", "for 1 min"))


def test_long_headline_is_cut():
    told = format_headline(make_notification(Topic.OPENED, container="x" * 500), {})
    assert len(told) == MAX_HEADLINE_CHARACTERS
    assert told.endswith("…")


def test_digest_has_the_highest_severity_and_the_hosts():
    message = build_digest(
        [
            make_notification(Topic.OPENED, 1.0, severity=Severity.WARNING, host="b"),
            make_notification(Topic.OPENED, 0.0, severity=Severity.CRITICAL, host="a"),
            make_notification(Topic.DRY_RUN, 2.0, severity=Severity.WARNING),
        ],
        {},
    )
    assert message.severity is Severity.CRITICAL
    assert message.title == "3 incidents: 2 open, 1 dry run"
    assert [line[-3:] for line in message.lines] == ["(a)", "(b)", "(h)"]
