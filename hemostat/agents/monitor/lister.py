"""Lists all containers when the event stream is (re)connected, and now and then.

In a thread of its own: a list that hangs must not keep events waiting.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from hemostat.core.backoff import compute_backoff
from hemostat.core.model import Listing
from hemostat.errors import AdapterError
from hemostat.ports import Clock, Engine, Interrupted

LIST_SECONDS: Final = 60.0
"""From one list to the next: what no event has told of is found by it."""
FIRST_LIST_SECONDS: Final = 5.0
"""For which the first list waits for the event stream: it may be forbidden."""
FIRST_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 15.0

logger = logging.getLogger(__name__)


class Lister:
    """`tell` is called with each list."""

    def __init__(self, engine: Engine, clock: Clock, tell: Callable[[Listing], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._is_requested = threading.Event()
        self._is_stopped = False
        self.trouble = ""
        """Why the containers cannot be listed, if they cannot."""

    def list_all(self) -> None:
        """Soon, a list by which every container is to be inspected."""
        self._is_requested.set()

    def stop(self) -> None:
        self._is_stopped = True
        self._is_requested.set()

    def run(self) -> None:
        """Until it is stopped."""
        tries, thorough, connected, pause = 0, True, False, FIRST_LIST_SECONDS
        try:
            while True:
                connected = self._is_requested.wait(pause) or connected
                thorough = thorough or connected
                self._is_requested.clear()
                if self._is_stopped:
                    return
                if self._list(thorough=thorough, connected=connected):
                    tries, thorough, connected, pause = 0, False, False, LIST_SECONDS
                else:
                    tries, pause = tries + 1, 0.0
                    self._clock.sleep(compute_backoff(tries, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS))
        except Interrupted:
            return

    def _list(self, *, thorough: bool, connected: bool) -> bool:
        error = ""
        try:
            self._tell(Listing(tuple(self._engine.listing()), thorough, connected))
        except AdapterError as failure:
            error = str(failure)
        except Exception as failure:
            logger.exception("listing.raised")
            error = f"list containers: {type(failure).__name__}"
        if error and error != self.trouble:
            logger.warning("listing.failed error=%s", error)
        self.trouble = error
        return not error
