"""What may take long is asked for in a thread of its own; the screen is told the answer.

A daemon: who quits is not kept waiting by an engine that does not answer.
"""

import threading
from collections.abc import Callable
from typing import Any

from textual.message import Message
from textual.screen import Screen

from hemostat.errors import HemoStatError


class BackgroundResult(Message):
    """`why` says why there is no `value`; empty if there is one."""

    def __init__(self, about: str, value: Any, why: str) -> None:
        super().__init__()
        self.about = about
        self.value = value
        self.why = why


class Carried(Message):
    """There are results of what was confirmed."""


def run_in_background(screen: Screen[Any], about: str, ask: Callable[[], object]) -> None:
    """The screen gets an Answer; `about` tells it of several. `ask` may raise HemoStatError."""

    def run() -> None:
        try:
            answer = BackgroundResult(about, ask(), "")
        except HemoStatError as error:
            answer = BackgroundResult(about, None, error.message)
        screen.post_message(answer)

    threading.Thread(target=run, name=f"ask-{about}", daemon=True).start()
