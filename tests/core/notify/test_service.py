import pytest

from hemostat.core.notify.service import (
    Service,
    describe_service,
    find_doubt,
    find_mistake,
    recognize_service,
)


def assert_objection(objection, words):
    assert objection is not None
    assert words in objection.message
    assert "secretpart" not in f"{objection.message} {objection.hint}"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://hooks.slack.com/services/T/B/x", Service.SLACK),
        ("HTTPS://HOOKS.SLACK.COM/services/T/B/x", Service.SLACK),
        ("https://hooks.slack-gov.com/services/T/B/x", Service.SLACK),
        ("https://discord.com/api/webhooks/1/x/slack", Service.SLACK),
        ("https://discordapp.com/api/webhooks/1/x/slack?thread_id=1", Service.SLACK),
        ("https://discord.com/api/webhooks/1/x", Service.DISCORD),
        ("https://ptb.discord.com./api/webhooks/1/x/", Service.DISCORD),
        ("https://x.webhook.office.com/webhookb2/x", Service.TEAMS),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", Service.TEAMS),
        ("https://default1.2.environment.api.powerplatform.com/powerautomate/x", Service.TEAMS),
        ("https://chat.googleapis.com/v1/spaces/x/messages?key=k", Service.GOOGLE_CHAT),
        ("https://api.telegram.org/bot1:x/sendMessage?chat_id=1", Service.TELEGRAM),
        ("https://ntfy.sh/topic", Service.NTFY),
        ("https://me:pw@ntfy.example.org/topic", Service.NTFY),
        ("https://events.eu.pagerduty.com/v2/enqueue?routing_key=k", Service.PAGERDUTY),
        ("http://127.0.0.1:9911/hooks/abc", Service.CHAT),
        ("https://chat.example.org/team/hooks/abc/def", Service.CHAT),
        ("https://example.org/alarm", Service.WEBHOOK),
        ("https://nothooks.slack.com.example.org/services/x", Service.WEBHOOK),
        ("https://notdiscord.com/api/webhooks/1/x", Service.WEBHOOK),
    ],
)
def test_service_is_recognized_from_its_address(url, service):
    assert recognize_service(url) is service
    assert (find_mistake(url), find_doubt(url)) == (None, None)
    assert describe_service(url) == service


def test_address_of_apprise_is_described_by_its_scheme():
    url = "mailto://a:b@example.org"
    assert (describe_service(url), find_mistake(url), find_doubt(url)) == ("mailto", None, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://hooks.slack.com/triggers/T/1/secretpart", "accepts variables, not messages"),
        ("https://hooks.slack.com/workflows/T/A/1/secretpart", "accepts variables, not messages"),
        ("https://hooks.slack.com/secretpart", "not an incoming webhook"),
        ("https://app.slack.com/client/secretpart", "page of Slack"),
        ("https://discord.com/channels/1/secretpart", "page of Discord"),
        ("https://api.pushover.net/1/secretpart", "needs more than an address"),
    ],
)
def test_address_of_a_page_is_doubted_without_showing_it(url, words):
    assert_objection(find_doubt(url), words)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hooks.slack.com/services/T/B/secretpart", "does not start with https://"),
        ("secretpart", "does not start with https://"),
        ("//hooks.slack.com/services/secretpart", "does not start with https://"),
        (":", "does not start with https://"),
        ("https://[/secretpart", "malformed"),
        ("https://example.org:99999/secretpart", "malformed"),
        ("https://api.telegram.org/botsecretpart/sendMessage", "no chat"),
        ("https://api.telegram.org/secretpart?chat_id=1", "no bot"),
        ("https://events.pagerduty.com/v2/enqueue?secretpart=1", "no integration"),
        ("https://ntfy.sh/", "no topic"),
        ("https://ntfy.sh/a/secretpart", "no topic"),
        ("https://ntfy.sh/a%20secretpart", "no topic"),
        ("https:///secretpart", "malformed"),
        ("https://ex ample.org/secretpart", "malformed"),
        ("https://discord.com\\@example.org/secretpart", "malformed"),
    ],
)
def test_address_that_cannot_be_used_is_refused_without_showing_it(url, words):
    assert_objection(find_mistake(url), words)
