"""Receives the events that are published on channels, of which Redis keeps none."""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import redis

from hemostat.adapters.redis.client import PREFIX, TIMEOUT_SECONDS
from hemostat.adapters.redis.entries import decode_event
from hemostat.errors import DecodeError
from hemostat.events import Event

PING_AFTER_SECONDS: Final = 15.0
"""Seconds of silence after which a subscription pings Redis."""
LOG_SECONDS: Final = 60.0
"""Seconds between two log lines about refused messages."""

logger = logging.getLogger(__name__)


class SilenceTimer:
    """Detects a lost connection of a subscription.

    A connection that was cut without notice is merely silent, and nothing is sent over it. So Redis is pinged
    after a time of silence.
    """

    def __init__(self) -> None:
        self._heard_at = time.monotonic()
        self._pinged_at: float | None = None

    def note(self, listener: Any, *, has_message: bool) -> None:
        """Note whether a message was received.

        Raises redis.TimeoutError if the answer to a ping is overdue.
        """
        now = time.monotonic()
        if has_message:
            self._heard_at, self._pinged_at = now, None
        elif self._pinged_at is None and now - self._heard_at >= PING_AFTER_SECONDS:
            self._pinged_at = now
            listener.ping()
        elif self._pinged_at is not None and now - self._pinged_at >= TIMEOUT_SECONDS:
            raise redis.TimeoutError(f"no answer for {now - self._heard_at:.0f} s")


class RefusedMessages:
    """Counts the messages that are not events of their channel, and logs them once in LOG_SECONDS: a sender
    must not fill the log."""

    def __init__(self) -> None:
        self._count = 0
        self._logged_at: float | None = None

    def note(self, channel: str, error: DecodeError) -> None:
        self._count += 1
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= LOG_SECONDS:
            logger.warning("message.refused channel=%s count=%d error=%s", channel, self._count, error)
            self._count, self._logged_at = 0, now


def subscribe(client: Any, streams: Sequence[str], timeout: float) -> Iterator[Event | None]:
    """Yield the events of these channels from now on; None whenever `timeout` seconds pass without one."""
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(*(PREFIX + stream for stream in streams))
        silence, refused, yielded_at = SilenceTimer(), RefusedMessages(), time.monotonic()
        while True:
            message = listener.get_message(timeout=min(timeout, PING_AFTER_SECONDS))
            silence.note(listener, has_message=message is not None)
            event = None
            if message is not None and message["type"] == "message":
                channel = message["channel"].decode().removeprefix(PREFIX)
                try:
                    event = decode_event(channel, message["data"])
                except DecodeError as error:
                    refused.note(channel, error)
                    if time.monotonic() - yielded_at < timeout:
                        continue
            yielded_at = time.monotonic()
            yield event
