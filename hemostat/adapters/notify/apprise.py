"""Sends notifications to every service that Apprise supports: mail, Discord, Teams, ntfy and so on.

Apprise is imported only if a channel needs it. Apprise and urllib3 report errors only in their logs, which
may contain the secret address. So their logs are silenced, and only known causes are read from Apprise's.
"""

import logging
import re
from concurrent.futures import Future, wait
from contextvars import ContextVar
from typing import Final

from hemostat.adapters.notify.response_limit import bounded_answers
from hemostat.background import run_in_background
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import ENDED_TOPICS, PEOPLE_TOPICS
from hemostat.core.settings.alert import Topic
from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import ConfigError, NotifyError

SEND_SECONDS: Final = 12.0
"""Seconds for one message. Mail, MQTT and XMPP have no other limit."""


CAUSES: Final = {
    "cannot be resolved: the host name is unknown": re.compile(r"NameResolution|Name or service not known"),
    "refuses the connection: no process listens there": re.compile(r"Connection refused"),
    "does not answer in time": re.compile(r"timed out"),
}
"""Patterns of error texts in Apprise's log, by cause."""

_SEEN_CAUSES: Final[ContextVar[list[str] | None]] = ContextVar("apprise_causes", default=None)


class _CauseReader(logging.Handler):
    """Reads why a message of this context could not be sent. It writes nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        causes = _SEEN_CAUSES.get()
        if causes is not None:
            text = record.getMessage()
            causes += [cause for cause, pattern in CAUSES.items() if pattern.search(text)]


class Apprise:
    def __init__(self, name: str, url: str) -> None:
        """Raises ConfigError if Apprise is missing or does not support the URL."""
        try:
            import apprise
        except ImportError:
            raise ConfigError(
                f"channel {name}: its URL is not https, and Apprise is not installed",
                hint="pip install 'hemostat[apprise]'",
            ) from None
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
        _silence(logging.getLogger("apprise"))
        self._apprise = apprise.Apprise()
        self._name = name
        self._sending: Future[str] | None = None
        """The last send, which may not have ended in time."""
        self._format = apprise.NotifyFormat.TEXT
        if not self._apprise.add(use_ipv4_localhost(url)):
            raise ConfigError(
                f"channel {name}: Apprise cannot use its URL",
                hint="for its format, see https://appriseit.com/services",
            )

    def send(self, message: Message) -> None:
        if self._sending is not None and not self._sending.done():
            raise NotifyError(
                "the service has not completed its response to the previous message", transient=True
            )
        self._sending = run_in_background(lambda: self._send(message), f"{self._name} sends")
        if not wait([self._sending], SEND_SECONDS).done:
            raise NotifyError("the service does not answer in time", transient=True)
        if failure := self._sending.result():
            raise NotifyError(f"the service {failure}", transient=True)

    def _send(self, message: Message) -> str:
        """Send the message. Returns why that failed, else an empty text."""
        causes: list[str] = []
        _SEEN_CAUSES.set(causes)
        with bounded_answers():
            is_sent = self._apprise.notify(
                title=message.title,
                body=format_body(message),
                notify_type=choose_type(message),
                body_format=self._format,
            )
        if is_sent:
            return ""
        return causes[0] if causes else "rejected it, or cannot be reached"


def _silence(logger: logging.Logger) -> None:
    """Let only a _CauseReader read this log."""
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [_CauseReader()]


def format_body(message: Message) -> str:
    lines = [f"{label}: {value}" for label, value in message.facts]
    lines += [f"- {line}" for line in message.lines]
    if message.more:
        lines.append(f"More: {message.more}")
    return "\n".join(lines) or message.title


def choose_type(message: Message) -> str:
    if message.topic in ENDED_TOPICS:
        return "success"
    if message.topic in PEOPLE_TOPICS:
        return "failure"
    return "warning" if message.topic is Topic.OPENED else "info"
