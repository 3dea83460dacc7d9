"""The requests for each service, against what its documentation accepts."""

import json

import jsonschema
import pytest

from hemostat.core.notify.formats import build_request
from hemostat.core.notify.message import Message, build_digest, single
from hemostat.core.notify.service import Service, recognize_service
from hemostat.core.settings.alert import Topic
from hemostat.events import Severity
from tests.support.notifications import HEALED, make_notification
from tests.support.service_schemas import SCHEMAS

KEY = "0123456789abcdef0123456789abcdef"
ADDRESSES = {
    Service.SLACK: "https://hooks.slack.com/services/T/B/x",
    Service.DISCORD: "https://discord.com/api/webhooks/1/token?thread_id=5",
    Service.TEAMS: "https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual?sig=x",
    Service.GOOGLE_CHAT: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t",
    Service.TELEGRAM: "https://api.telegram.org/bot1:token/sendMessage?chat_id=-100&message_thread_id=7",
    Service.NTFY: "https://ntfy.sh/shop-alerts",
    Service.PAGERDUTY: f"https://events.pagerduty.com/v2/enqueue?routing_key={KEY}",
    Service.CHAT: "https://chat.example.org/hooks/abc",
    Service.WEBHOOK: "https://intern.example.org/alarm",
}
LONG = make_notification(
    Topic.ESCALATED,
    container="w" * 400,
    host="ü" * 400,
    project="p" * 400,
    what="日" * 2000,
    cause="\U0001f600" * 2000,
    done="x" * 2000,
)
MESSAGES = {
    "facts": single(HEALED, {}),
    "brief": single(HEALED, {}, brief=True),
    "long": single(LONG, {}),
    "test": single(make_notification(Topic.TEST, kind="", what="test message"), {}),
    "many": build_digest([LONG] * 30, {}),
    "many, brief": build_digest([HEALED, LONG], {}, brief=True),
    **{topic: single(make_notification(topic, what="<users/all> @everyone"), {}) for topic in Topic},
}


@pytest.mark.parametrize("service", Service, ids=lambda each: each.name)
@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_is_in_the_format_of_its_service(service, name):
    assert recognize_service(ADDRESSES[service]) is service
    _, body = build_request(ADDRESSES[service], MESSAGES[name])
    jsonschema.validate(body, SCHEMAS[service])
    assert MESSAGES[name].title in json.dumps(body, ensure_ascii=False)


def test_limits_that_count_bytes_or_sums_are_kept():
    _, ntfy = build_request(ADDRESSES[Service.NTFY], MESSAGES["long"])
    assert len(ntfy["message"].encode()) <= 4096
    for name in ("long", "many"):
        _, discord = build_request(ADDRESSES[Service.DISCORD], MESSAGES[name])
        (embed,) = discord["embeds"]
        fields = [text for each in embed["fields"] for text in (each["name"], each["value"])]
        texts = [embed["title"], embed.get("description", ""), embed["footer"]["text"], *fields]
        assert sum(map(len, texts)) <= 6000, "the documented sum of an embed"
        _, teams = build_request(ADDRESSES[Service.TEAMS], MESSAGES[name])
        assert len(json.dumps(teams, ensure_ascii=False).encode()) <= 28 * 1024


@pytest.mark.parametrize("service", Service, ids=lambda each: each.name)
def test_message_keeps_the_facts_and_the_command(service):
    _, body = build_request(ADDRESSES[service], MESSAGES["facts"])
    text = json.dumps(body, ensure_ascii=False)
    for part in (
        "web on h, project shop",
        "exited with code 1",
        "restarted, healed in 3.1 s",
        "hemostat explain i1",
    ):
        assert part in text


def test_secrets_of_an_address_are_sent_where_the_service_reads_them():
    url, body = build_request(ADDRESSES[Service.TELEGRAM], MESSAGES["facts"])
    assert url == "https://api.telegram.org/bot1:token/sendMessage"
    assert (body["chat_id"], body["message_thread_id"]) == ("-100", "7")
    assert build_request("https://api.telegram.org/bot1:t/?chat_id=5", MESSAGES["facts"])[0] == (
        "https://api.telegram.org/bot1:t/sendMessage"
    )
    url, body = build_request("https://me:secret@ntfy.example.org/ops?auth=x", MESSAGES["facts"])
    assert (url, body["topic"]) == ("https://me:secret@ntfy.example.org/?auth=x", "ops")
    twice = f"{ADDRESSES[Service.PAGERDUTY]}&routing_key=other"
    url, body = build_request(twice, MESSAGES["facts"])
    assert (url, body["routing_key"]) == ("https://events.pagerduty.com/v2/enqueue", KEY)


@pytest.mark.parametrize(
    ("topic", "action"),
    [
        (Topic.OPENED, "trigger"),
        (Topic.ESCALATED, "trigger"),
        (Topic.HEALED, "resolve"),
        (Topic.OVER, "resolve"),
    ],
)
def test_end_of_an_incident_resolves_it_in_pagerduty(topic, action):
    _, body = build_request(ADDRESSES[Service.PAGERDUTY], MESSAGES[topic])
    assert (body["event_action"], body["dedup_key"]) == (action, "hemostat-i1")


def test_message_about_many_incidents_resolves_none():
    _, body = build_request(ADDRESSES[Service.PAGERDUTY], build_digest([HEALED, HEALED], {}))
    assert body["event_action"] == "trigger"
    assert "dedup_key" not in body


@pytest.mark.parametrize(
    ("severity", "pagerduty", "priority"),
    [(Severity.CRITICAL, "critical", 5), (Severity.WARNING, "error", 4)],
)
def test_incident_that_needs_people_is_urgent(severity, pagerduty, priority):
    message = Message(topic=Topic.ESCALATED, severity=severity, title="web", incident="i1")
    _, body = build_request(ADDRESSES[Service.PAGERDUTY], message)
    assert body["payload"]["severity"] == pagerduty
    assert build_request(ADDRESSES[Service.NTFY], message)[1]["priority"] == priority


def test_google_chat_gets_no_mention():
    _, body = build_request(
        ADDRESSES[Service.GOOGLE_CHAT],
        Message(topic=Topic.TEST, severity=Severity.WARNING, title="<users/all>"),
    )
    assert "<" not in body["text"]


def test_webhook_of_a_program_gets_the_parts_of_the_message():
    _, body = build_request(ADDRESSES[Service.WEBHOOK], MESSAGES["facts"])
    assert body["hemostat"] == {
        "topic": "healed",
        "severity": "warning",
        "incident": "i1",
        "title": "web is healed: exited",
        "facts": {
            "where": "web on h, project shop",
            "what": "exited with code 1",
            "why": "crash: exit code 1",
            "outcome": "restarted, healed in 3.1 s",
            "took": "3.1 s",
        },
        "lines": [],
        "more": "hemostat explain i1",
    }


def test_text_of_telegram_is_within_its_limit_in_utf16_units():
    incidents = [make_notification(Topic.ESCALATED, container="\U0001f600" * 110)] * 20
    _, body = build_request(ADDRESSES[Service.TELEGRAM], build_digest(incidents, {}))
    assert len(body["text"].encode("utf-16-le")) // 2 <= 4096
    assert body["text"].endswith("hemostat events")
