"""Gives the dashboard back the terminal as it was before a shell in a container.

The shell is the container's own program. It can leave the terminal in modes in which the dashboard is
unreadable, and can ask the terminal questions whose answers arrive as keys.
"""

import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

ANSWER_SECONDS: Final = 0.2
"""Seconds for the terminal to answer what it was asked before the reset."""
PRIVATE_MODES_OFF: Final = (
    *(1, 5, 6, 9, 45, 66, 69),  # cursor keys, reverse video, origin, wrapping backwards, keypad, side margins
    *(1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016),  # mouse and focus
    *(1049, 2004, 2026),  # the other screen, bracketed paste, delayed drawing
)
RESET: Final = (
    "\x18\x1b\\"  # ends a sequence that is not complete
    "\x0f\x1b(B\x1b)B"  # ASCII
    "\x1b[!p"  # soft reset, where the terminal knows it
    "\x1b[0m\x1b]8;;\x1b\\"  # colours and links
    "\x1b[2l\x1b[4l\x1b[20l\x1b[12h"  # locked keyboard, inserting, new lines; no echo by the terminal
    "\x1b[?7h\x1b[?25h"  # wrapping, cursor
    "\x1b[r"  # all rows scroll
    "\x1b[>4;0m\x1b[=0u"  # keys as bytes
)
PRIVATE_RESET: Final = "".join(f"\x1b[?{mode}l" for mode in PRIVATE_MODES_OFF) + "\r\n"
"""One sequence for each mode: a terminal may ignore a longer one."""


@contextmanager
def protect_terminal() -> Iterator[None]:
    """Reset the terminal afterwards, and discard what was typed or answered meanwhile."""
    attributes = None
    with suppress(termios.error, OSError, ValueError, AttributeError):
        attributes = termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]
    try:
        yield
    finally:
        if attributes is not None:
            print(RESET + PRIVATE_RESET, end="", flush=True)  # noqa: T201
            time.sleep(ANSWER_SECONDS)
            with suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSAFLUSH, attributes)  # type: ignore[union-attr]
