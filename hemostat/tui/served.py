"""The process behind a page in a browser: what whoever looks at it can use up is bounded."""

import os
import resource
from contextlib import suppress
from typing import Final

from textual.drivers.web_driver import WebDriver
from textual.events import Resize
from textual.message import Message

MAX_DATA_BYTES: Final = 512 * 1024 * 1024
"""Memory of one page, whatever is typed, pasted or searched for in it."""
NICENESS: Final = 10
"""A page gives way to the roles and to the containers."""


class ServedDriver(WebDriver):
    def process_message(self, message: Message) -> None:
        """Hand on what was typed, without a size as terminals tell it: the server bounds that of the page."""
        if not isinstance(message, Resize):
            super().process_message(message)


def confine() -> None:
    """Bound memory and processor of this process. What asks for more memory gets MemoryError."""
    with suppress(OSError, ValueError):  # a lower limit holds already, or this system has none
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    os.nice(NICENESS)
