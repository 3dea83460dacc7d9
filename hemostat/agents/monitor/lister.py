"""Lists all containers when the event stream is (re)connected, and periodically.

The lister runs in a thread of its own: a list that hangs must not delay events.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from hemostat.core.backoff import compute_backoff
from hemostat.core.detection.cpu_share import CpuShare
from hemostat.core.model import Listing
from hemostat.errors import AdapterError
from hemostat.ports import Clock, EngineReader, Interrupted

LIST_SECONDS: Final = 60.0
"""Seconds between two lists, which find the changes that no event has reported."""
FIRST_LIST_SECONDS: Final = 5.0
"""Seconds that the first list waits for the event stream, which may be forbidden."""
FIRST_RETRY_SECONDS: Final = 0.5
MAX_CPU_SHARE: Final = 0.1
CPU_BURST_SECONDS: Final = 10.0
"""CPU that lists take: of a core, and seconds at once. A list may be gigabytes long."""
MAX_RETRY_SECONDS: Final = 15.0

logger = logging.getLogger(__name__)


class Lister:
    """Lists containers. `tell` is called with each list."""

    def __init__(
        self,
        engine: EngineReader,
        clock: Clock,
        tell: Callable[[Listing], None],
        cpu_time: Callable[[], float] = float,
    ) -> None:
        """`cpu_time` returns the CPU seconds of the calling thread; by default 0, so without a limit."""
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._is_requested = threading.Event()
        self._is_full = False
        """Whether a requested list is to be full."""
        self._cpu_time = cpu_time
        self._cpu_share = CpuShare(MAX_CPU_SHARE, CPU_BURST_SECONDS)
        self._is_stopped = False
        self.trouble = ""
        """Why the containers cannot be listed, if they cannot."""

    def request_full_list(self) -> None:
        """Request a list soon, in which every container is inspected."""
        self._is_full = True
        self._is_requested.set()

    def request_list(self) -> None:
        """Request a list soon."""
        self._is_requested.set()

    def stop(self) -> None:
        self._is_stopped = True
        self._is_requested.set()

    def run(self) -> None:
        """List containers until stopped."""
        tries, thorough, connected, pause = 0, True, False, FIRST_LIST_SECONDS
        try:
            while True:
                self._is_requested.wait(pause)
                self._is_requested.clear()
                # A request between these two lines stays, and its event is set again.
                if is_full := self._is_full:
                    self._is_full = False
                connected = is_full or connected
                thorough = thorough or connected
                if self._is_stopped:
                    return
                if self._list(thorough=thorough, connected=connected):
                    tries, thorough, connected, pause = 0, False, False, LIST_SECONDS
                else:
                    tries, pause = tries + 1, 0.0
                    self._clock.sleep(compute_backoff(tries, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS))
                self._clock.sleep(self._cpu_share.compute_pause(self._cpu_time(), self._clock.now()))
        except Interrupted:
            return

    def _list(self, *, thorough: bool, connected: bool) -> bool:
        error = ""
        try:
            self._tell(Listing(tuple(self._engine.list_containers()), thorough, connected))
        except AdapterError as failure:
            error = str(failure)
        except Exception as failure:
            logger.exception("container_list.failed")
            error = f"list containers: {type(failure).__name__}"
        if error and error != self.trouble:
            logger.warning("container_list.failed error=%s", error)
        self.trouble = error
        return not error
