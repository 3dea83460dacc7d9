"""Slack's incoming webhooks. The webhook's address is a secret: it appears in no message and no log."""

from http import HTTPStatus
from typing import Final

import requests

from hemostat.core.story import line, subject
from hemostat.errors import NotifyError
from hemostat.events import Decided, Event, Kind, Outcome, RemediationComplete

TIMEOUT: Final = 5.0

SIGNS: Final = {
    Outcome.HEALED: ":white_check_mark:",
    Outcome.FAILED: ":x:",
    Outcome.REFUSED: ":no_entry:",
    Outcome.ESCALATED: ":rotating_light:",
}


class Slack:
    name = "slack"

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook

    def notify(self, event: Event) -> None:
        try:
            reply = requests.post(self._webhook, json={"text": text(event)}, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise NotifyError(f"Slack cannot be reached ({type(error).__name__})", transient=True) from None
        status = reply.status_code
        if status >= HTTPStatus.BAD_REQUEST:
            passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
            raise NotifyError(f"Slack answered {status}", hint="check alert.slack_webhook", transient=passing)


def text(event: Event) -> str:
    """One message: what, where, why, what was done."""
    if isinstance(event.data, Decided):
        return _escaped(f":raised_hand: {event.data.container}: {line(event)}")
    about = subject(event)
    name, kind = (about[0].name, about[1]) if about else (event.host, event.type)
    done = event.data
    sign = SIGNS.get(done.outcome, ":warning:") if isinstance(done, RemediationComplete) else ""
    why = ""
    if isinstance(done, RemediationComplete):
        why = done.diagnosis.advisor if done.kind is Kind.ORDERED else done.diagnosis.cause
    return _escaped(f"{sign} {name} on {event.host}: {kind} ({why}): {line(event)}").strip()


def _escaped(message: str) -> str:
    return message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
