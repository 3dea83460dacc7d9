"""The process behind a dashboard page in a browser. Its memory and CPU use are bounded."""

import os
import resource
from contextlib import suppress
from typing import Final

from textual.drivers.web_driver import WebDriver
from textual.events import Resize
from textual.message import Message

MAX_DATA_BYTES: Final = 512 * 1024 * 1024
"""Memory of one page, whatever the user types, pastes or searches for."""
NICENESS: Final = 10
"""A page yields CPU time to the roles and to the containers."""


class ServedDriver(WebDriver):
    def process_message(self, message: Message) -> None:
        """Forward typed keys, but not a terminal's size report: the server bounds the page's size."""
        if not isinstance(message, Resize):
            super().process_message(message)


def limit_process() -> None:
    """Limit memory and CPU priority of this process. Allocations beyond the limit raise MemoryError."""
    with suppress(OSError, ValueError):  # a lower limit applies already, or this system has none
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    os.nice(NICENESS)
