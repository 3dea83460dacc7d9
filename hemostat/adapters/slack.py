"""Slack's incoming webhooks, and whatever speaks as they do. The address is a secret: it appears in no
message and no log. Text from outside can neither call people (`@channel`) nor link to anything. Of an answer
only its head is read.
"""

import logging
import re
from http import HTTPStatus
from typing import Any, Final

import requests

from hemostat.core.message import Message
from hemostat.core.news import Topic
from hemostat.errors import NotifyError

TIMEOUT: Final = 5.0
SECTION: Final = 2900
"""Characters that a section may have, 3,000 as Slack counts."""
PASSING: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})
CALLS: Final = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)

SIGNS: Final = {
    Topic.OPENED: ":warning:",
    Topic.HEALED: ":white_check_mark:",
    Topic.ESCALATED: ":rotating_light:",
    Topic.FAILED: ":x:",
    Topic.REFUSED: ":no_entry:",
    Topic.APPROVAL: ":question:",
    Topic.EXPIRED: ":hourglass:",
    Topic.DRY_RUN: ":information_source:",
    Topic.OVER: ":ballot_box_with_check:",
    Topic.DECIDED: ":raised_hand:",
    Topic.GONE: ":skull:",
    Topic.BACK: ":white_check_mark:",
    Topic.TEST: ":wave:",
}


# It warns of an answer that it cannot parse, and names the address.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Slack:
    def __init__(self, webhook: str) -> None:
        self._webhook = webhook

    def send(self, message: Message) -> None:
        try:
            with requests.post(
                self._webhook, json=payload(message), timeout=TIMEOUT, allow_redirects=False, stream=True
            ) as reply:
                status, headers = reply.status_code, reply.headers
        except requests.exceptions.SSLError as error:
            raise _untrusted(error) from None
        except (requests.exceptions.InvalidURL, ValueError) as error:
            raise NotifyError(
                f"the webhook cannot be used ({type(error).__name__})",
                hint="check its address",
                transient=False,
            ) from None
        except requests.RequestException as error:
            raise NotifyError(
                f"the webhook does not answer ({type(error).__name__})", transient=True
            ) from None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING
            raise NotifyError(
                f"the webhook answered {status}",
                hint="" if passing else "check its address",
                transient=passing,
                wait=seconds(headers.get("Retry-After", "")),
            )


def _untrusted(error: BaseException) -> NotifyError:
    """It passes: a certificate is renewed without anything being changed here. Of OpenSSL's words those that
    hold the address are left out."""
    while error.__context__:
        error = error.__context__
    if why := getattr(error, "verify_message", ""):
        return NotifyError(
            f"the webhook's certificate is not trusted: {why.partition(',')[0]}",
            hint="mend it there, or name a file with its authority in REQUESTS_CA_BUNDLE",
            transient=True,
        )
    why = str(getattr(error, "reason", None) or type(error).__name__).replace("_", " ").lower()
    return NotifyError(f"TLS with the webhook failed: {why}", hint="check its address", transient=True)


def seconds(text: str) -> float | None:
    """Of a Retry-After header; None for a date, which nobody is known to send, and for nonsense."""
    return float(text) if text.isdecimal() else None


def payload(message: Message) -> dict[str, Any]:
    """Block Kit, and the same in short for notifications."""
    title = f"{SIGNS[message.topic]} *{escaped(message.title)}*"
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _text(title)}]
    if message.facts:
        fields = [_text(f"*{label}*\n{escaped(value)}") for label, value in message.facts]
        blocks.append({"type": "section", "fields": fields})
    if message.lines:
        blocks.append({"type": "section", "text": _text(_listed(message.lines))})
    if message.more:
        more = _text(f"More: `{escaped(message.more)}`")
        blocks.append({"type": "context", "elements": [more]})
    return {"text": f"{SIGNS[message.topic]} {escaped(message.title)}", "blocks": blocks}


def escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return CALLS.sub("@\N{ZERO WIDTH SPACE}", text)


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _listed(lines: tuple[str, ...]) -> str:
    text = ""
    for line in lines:
        longer = f"{text}\N{BULLET} {escaped(line)}\n"
        if len(longer) > SECTION:
            break
        text = longer
    return text
