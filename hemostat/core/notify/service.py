"""Which service a web address belongs to, and whether messages arrive there, as far as the address shows.

The address is a secret: answers contain nothing of it except the name of a well-known service.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit


class Service(StrEnum):
    """A service with a format of its own for messages. The value is its name for people."""

    SLACK = "Slack"
    DISCORD = "Discord"
    TEAMS = "Microsoft Teams"
    GOOGLE_CHAT = "Google Chat"
    TELEGRAM = "Telegram"
    NTFY = "ntfy"
    PAGERDUTY = "PagerDuty"
    CHAT = "Mattermost or Rocket.Chat"
    WEBHOOK = "a webhook"
    """Any other."""


class AddressObjection(NamedTuple):
    message: str
    hint: str


SLACK_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")
DOMAINS: Final = {
    "discord.com": Service.DISCORD,
    "discordapp.com": Service.DISCORD,
    "webhook.office.com": Service.TEAMS,
    "outlook.office.com": Service.TEAMS,
    "logic.azure.com": Service.TEAMS,
    "powerplatform.com": Service.TEAMS,
    "chat.googleapis.com": Service.GOOGLE_CHAT,
    "api.telegram.org": Service.TELEGRAM,
    "ntfy.sh": Service.NTFY,
    "events.pagerduty.com": Service.PAGERDUTY,
    "events.eu.pagerduty.com": Service.PAGERDUTY,
}
NTFY_PREFIX: Final = "ntfy."
"""The usual first part of the name of a host with an ntfy server of its own."""
CHAT_PATH: Final = "/hooks/"
"""Path of the webhooks of Mattermost and Rocket.Chat, which run on any host."""
APPRISE_SERVICES: Final = {"api.pushover.net": ("Pushover", "pover://…")}
"""Services whose address alone is not enough to send a message, and their Apprise URLs."""
WEB_SCHEMES: Final = frozenset({"http", "https"})
UNSAFE_CHARACTERS: Final = re.compile(r"[\s\\]")
"""Characters that no host and no login has: programs disagree about where the host begins."""
TOPIC_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of topics that ntfy accepts."""
MALFORMED: Final = AddressObjection("its URL is malformed", "check its address")
SLACK_HINT: Final = "use an incoming webhook, with /services/ in its path: api.slack.com/messaging/webhooks"


def get_scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def recognize_service(url: str) -> Service:
    """The service of a web address. Discord's address with `/slack` at its end takes Slack's format."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return Service.WEBHOOK
    host = _get_host(parts)
    if host in SLACK_HOSTS:
        return Service.SLACK
    for domain, service in DOMAINS.items():
        if _is_in_domain(host, domain):
            ends_in_slack = service is Service.DISCORD and parts.path.rstrip("/").endswith("/slack")
            return Service.SLACK if ends_in_slack else service
    if CHAT_PATH in parts.path:
        return Service.CHAT
    return Service.NTFY if host.startswith(NTFY_PREFIX) else Service.WEBHOOK


def describe_service(url: str) -> str:
    """The service's name for people. For an address of Apprise, its scheme."""
    scheme = get_scheme(url)
    return str(recognize_service(url)) if scheme in WEB_SCHEMES else scheme


def find_mistake(url: str) -> AddressObjection | None:
    """Why the URL cannot be the address of a channel; None without an objection."""
    if not get_scheme(url):
        hint = "use the full URL, such as https://hooks.slack.com/services/…, or a URL of Apprise"
        return AddressObjection("its URL does not start with https://", hint)
    if get_scheme(url) not in WEB_SCHEMES:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return MALFORMED
    if not parts.hostname or UNSAFE_CHARACTERS.search(parts.netloc):
        return MALFORMED
    return _find_missing_part(url, parts.path)


def _find_missing_part(url: str, path: str) -> AddressObjection | None:
    """Why the address is not enough to send a message to its service."""
    match recognize_service(url):
        case Service.TELEGRAM if not (path.startswith("/bot") and read_query(url, "chat_id")):
            return AddressObjection(
                "its URL names no bot or no chat of Telegram",
                "use https://api.telegram.org/botTOKEN/sendMessage?chat_id=ID",
            )
        case Service.PAGERDUTY if not read_query(url, "routing_key"):
            return AddressObjection(
                "its URL names no integration of PagerDuty",
                "use https://events.pagerduty.com/v2/enqueue?routing_key=KEY, with the key of an "
                "integration for the Events API v2",
            )
        case Service.NTFY if not TOPIC_PATTERN.fullmatch(path.strip("/")):
            return AddressObjection("its URL names no topic of ntfy", "use https://ntfy.sh/TOPIC")
    return None


def find_doubt(url: str) -> AddressObjection | None:
    """Why messages may not arrive at a web address; None without an objection. A company's own service may
    have any address."""
    if get_scheme(url) not in WEB_SCHEMES or find_mistake(url):
        return None
    parts = urlsplit(url)
    host, path = _get_host(parts), parts.path
    if host in SLACK_HOSTS:
        return _check_slack_path(path)
    if recognize_service(url) is Service.DISCORD and "/webhooks/" not in path:
        return AddressObjection(
            "its URL is a page of Discord, not a webhook", "create a webhook in the channel's settings"
        )
    for domain, (name, apprise_url) in APPRISE_SERVICES.items():
        if _is_in_domain(host, domain):
            message = f"its URL is {name}'s, which needs more than an address"
            return AddressObjection(message, f"pip install 'hemostat[apprise]', and use {apprise_url}")
    if _is_in_domain(host, "slack.com"):
        return AddressObjection("its URL is a page of Slack, not a webhook", SLACK_HINT)
    return None


def read_query(url: str, name: str) -> str:
    """The first value of this name in the URL's query; empty for none."""
    return parse_qs(urlsplit(url).query).get(name, [""])[0]


def _check_slack_path(path: str) -> AddressObjection | None:
    if path.startswith(("/triggers/", "/workflows/")):
        return AddressObjection(
            "its URL is a webhook of a Slack workflow, which accepts variables, not messages", SLACK_HINT
        )
    if not path.startswith("/services/"):
        return AddressObjection("its URL is not an incoming webhook of Slack", SLACK_HINT)
    return None


def _get_host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".")


def _is_in_domain(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
