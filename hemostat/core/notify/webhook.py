"""Which service a webhook's URL belongs to, as far as the URL shows, and whether messages will arrive.

The URL is a secret: answers contain nothing of it except the name of a well-known service.
"""

from typing import Final, NamedTuple
from urllib.parse import urlsplit


class WebhookObjection(NamedTuple):
    message: str
    hint: str


SLACK_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")
DISCORD_HOSTS: Final = ("discord.com", "discordapp.com")
OTHER_SERVICES: Final = {
    "webhook.office.com": ("Microsoft Teams", "workflows://…"),
    "outlook.office.com": ("Microsoft Teams", "workflows://…"),
    "logic.azure.com": ("Microsoft Teams", "workflows://…"),
    "powerplatform.com": ("Microsoft Teams", "workflows://…"),
    "chat.googleapis.com": ("Google Chat", "gchat://…"),
    "api.telegram.org": ("Telegram", "tgram://…"),
    "ntfy.sh": ("ntfy", "ntfys://…"),
    "events.pagerduty.com": ("PagerDuty", "pagerduty://…"),
    "api.pushover.net": ("Pushover", "pover://…"),
}
"""Services that take messages, but not in the format of Slack's incoming webhooks, and their Apprise URLs."""
WEB_SCHEMES: Final = frozenset({"http", "https"})
COMPATIBLE_PATH: Final = "/hooks/"
"""Path of the webhooks of Mattermost and Rocket.Chat, which run on any host."""


def get_scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def find_mistake(url: str) -> WebhookObjection | None:
    """Why the URL cannot be the address of a channel; None without an objection."""
    if not get_scheme(url):
        hint = "use the full URL, such as https://hooks.slack.com/services/…, or a URL of Apprise"
        return WebhookObjection("its URL does not start with https://", hint)
    return None


def find_doubt(url: str) -> WebhookObjection | None:
    """Why messages may not arrive at a web address; None without an objection. A company's own service may
    have any address."""
    if get_scheme(url) not in WEB_SCHEMES:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return WebhookObjection("its URL is malformed", "check its address")
    host, path = (parts.hostname or "").rstrip("."), parts.path
    if host in SLACK_HOSTS:
        return _check_slack_path(path)
    if _is_in_domain(host, DISCORD_HOSTS):
        return _check_discord_path(path)
    return _check_other_service(host) or (None if COMPATIBLE_PATH in path else UNKNOWN_SERVICE)


def _check_other_service(host: str) -> WebhookObjection | None:
    for domain, (name, apprise_url) in OTHER_SERVICES.items():
        if _is_in_domain(host, (domain,)):
            message = f"its URL is {name}'s, which does not accept messages in Slack's format"
            return WebhookObjection(message, f"pip install 'hemostat[apprise]', and use {apprise_url}")
    if _is_in_domain(host, ("slack.com",)):
        return WebhookObjection("its URL is a page of Slack, not a webhook", SLACK_HINT)
    return None


SLACK_HINT: Final = "use an incoming webhook, with /services/ in its path: api.slack.com/messaging/webhooks"
UNKNOWN_SERVICE: Final = WebhookObjection(
    "its URL belongs to an unknown service; messages are sent in Slack's format",
    "test it with hemostat alert --test; for a service with another format, use a URL of Apprise",
)


def _check_slack_path(path: str) -> WebhookObjection | None:
    if path.startswith(("/triggers/", "/workflows/")):
        return WebhookObjection(
            "its URL is a webhook of a Slack workflow, which accepts variables, not messages", SLACK_HINT
        )
    if not path.startswith("/services/"):
        return WebhookObjection("its URL is not an incoming webhook of Slack", SLACK_HINT)
    return None


def _check_discord_path(path: str) -> WebhookObjection | None:
    if path.rstrip("/").endswith("/slack"):
        return None
    return WebhookObjection(
        "its URL is a webhook of Discord, which accepts Slack's format only with /slack at its end",
        "add /slack to the URL, or pip install 'hemostat[apprise]' and use discord://…",
    )


def _is_in_domain(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
