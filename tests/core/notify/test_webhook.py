import pytest

from hemostat.core.notify.webhook import find_doubt, find_mistake


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/x",
        "HTTPS://HOOKS.SLACK.COM/services/T/B/x",
        "https://hooks.slack-gov.com/services/T/B/x",
        "https://discord.com/api/webhooks/1/x/slack",
        "https://discordapp.com/api/webhooks/1/x/slack?thread_id=1",
        "http://127.0.0.1:9911/hooks/abc",
        "https://chat.example.org/team/hooks/abc/def",
        "mailto://a:b@example.org",
    ],
)
def test_known_webhook_urls_are_accepted(url):
    assert find_mistake(url) is None
    assert find_doubt(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://hooks.slack.com/triggers/T/1/secretpart", "accepts variables, not messages"),
        ("https://hooks.slack.com/workflows/T/A/1/secretpart", "accepts variables, not messages"),
        ("https://hooks.slack.com/secretpart", "not an incoming webhook"),
        ("https://app.slack.com/client/secretpart", "page of Slack"),
        ("https://discord.com/api/webhooks/1/secretpart", "/slack at its end"),
        ("https://ptb.discord.com/api/webhooks/1/secretpart/", "/slack at its end"),
        ("https://x.webhook.office.com/webhookb2/secretpart", "Microsoft Teams"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/secretpart", "Microsoft Teams"),
        ("https://chat.googleapis.com/v1/spaces/secretpart", "Google Chat"),
        ("https://ntfy.sh/secretpart", "ntfy"),
        ("https://example.org/secretpart", "an unknown service"),
        ("https://nothooks.slack.com.example.org/services/secretpart", "an unknown service"),
        ("https://[/secretpart", "malformed"),
    ],
)
def test_unknown_webhook_url_is_doubted_without_showing_it(url, words):
    found = find_doubt(url)
    assert found is not None
    assert words in found.message
    assert "secretpart" not in f"{found.message} {found.hint}"


@pytest.mark.parametrize("url", ["hooks.slack.com/services/T/B/x", "x", "//hooks.slack.com/services/x", ":"])
def test_url_without_scheme_is_refused(url):
    found = find_mistake(url)
    assert found is not None
    assert "https://" in found.message
    assert "Apprise" not in found.message
