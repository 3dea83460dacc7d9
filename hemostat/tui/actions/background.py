"""Runs slow requests in their own threads and sends the results to the screen.

The threads are daemons, so an engine that does not answer cannot delay quitting.
"""

import threading
from collections.abc import Callable
from typing import Any

from textual.message import Message
from textual.screen import Screen

from hemostat.tui.actions.runner import describe_error


class BackgroundResult(Message):
    """The result of a request. `why` is the error if there is no `value`, else empty."""

    def __init__(self, topic: str, value: Any, why: str) -> None:
        super().__init__()
        self.topic = topic
        self.value = value
        self.why = why


class OrdersCompleted(Message):
    """Results of confirmed orders are available."""


def run_in_background(screen: Screen[Any], topic: str, ask: Callable[[], object]) -> None:
    """Call `ask` in a thread and send the screen a BackgroundResult.

    `topic` tells several requests apart. `ask` may raise any error.
    """

    def run() -> None:
        try:
            answer = BackgroundResult(topic, ask(), "")
        except Exception as error:  # noqa: BLE001 - no request ends without a result
            answer = BackgroundResult(topic, None, describe_error(error))
        screen.post_message(answer)

    threading.Thread(target=run, name=f"ask-{topic}", daemon=True).start()
