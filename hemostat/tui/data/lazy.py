"""An object that is opened at its first use."""

import threading
from collections.abc import Callable
from typing import Any


class LazyValue:
    """Has all attributes of the opened object, and no public ones of its own: they would hide those of the
    object, such as OperatorCommands.close.

    Opening it and importing its client take a while; meanwhile the screen is usable. An error of `opens` is
    raised by the access, and the next access tries again.
    """

    def __init__(self, opens: Callable[[], Any]) -> None:
        self._open = opens
        self._lock = threading.Lock()
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
        return getattr(self._opened, name)
