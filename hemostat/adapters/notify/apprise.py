"""Sends notifications to every service that Apprise supports: mail, Discord, Teams, ntfy and so on.

Apprise is imported only if a channel needs it. Apprise and urllib3 report errors only in their logs, which
may contain the secret address. So their logs are silenced.
"""

import logging
import threading
from typing import Final

from hemostat.adapters.notify.response_limit import bounded_answers
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import ENDED_TOPICS, PEOPLE_TOPICS
from hemostat.core.settings.alert import Topic
from hemostat.errors import ConfigError, NotifyError

SEND_SECONDS: Final = 12.0
"""Seconds for one message. Mail, MQTT and XMPP have no other limit."""


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
        for talker in ("apprise", "urllib3"):
            logging.getLogger(talker).setLevel(logging.CRITICAL + 1)
        self._apprise = apprise.Apprise()
        self._name = name
        self._sending: threading.Thread | None = None
        """A send that did not end in time."""
        self._format = apprise.NotifyFormat.TEXT
        if not self._apprise.add(url):
            raise ConfigError(
                f"channel {name}: Apprise cannot use its URL",
                hint="see https://appriseit.com/services for how it is written",
            )

    def send(self, message: Message) -> None:
        if self._sending is not None and self._sending.is_alive():
            raise NotifyError("the service has not ended its answer to the message before", transient=True)
        outcomes: list[bool | Exception] = []
        self._sending = threading.Thread(
            target=self._send, args=(message, outcomes), name=f"{self._name} sends", daemon=True
        )
        self._sending.start()
        self._sending.join(SEND_SECONDS)
        if not outcomes:
            raise NotifyError("the service does not answer in time", transient=True)
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]
        if not outcomes[0]:
            raise NotifyError("the service did not take it, or was not reached", transient=True)

    def _send(self, message: Message, outcomes: list[bool | Exception]) -> None:
        try:
            with bounded_answers():
                sent = self._apprise.notify(
                    title=message.title,
                    body=format_body(message),
                    notify_type=choose_type(message),
                    body_format=self._format,
                )
            outcomes.append(bool(sent))
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            outcomes.append(error)


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
