"""Polls the engine about one container from a thread: log, health checks and inspection.

Only changes are delivered, and little of a long log is kept. Secrets are masked here.
"""

import threading
from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.core.evidence.build import build_log_tail, mask_details
from hemostat.core.evidence.snapshot import ContainerDetails
from hemostat.core.model import ContainerInfo
from hemostat.errors import HemoStatError, NoSuchContainerError
from hemostat.ports import EngineReader

MAX_LOG_LINES: Final = 300
MAX_LOG_BYTES: Final = 32 * 1024
"""Lines and bytes of the log that are kept."""
STOP_SECONDS: Final = 0.5
"""Seconds that a user who leaves may have to wait."""
NO_ENGINE_TEXT: Final = "not available without an engine"
NOT_FOUND_TEXT: Final = "this host's engine has no such container: it was removed, or is on another host"


class ContainerView(msgspec.Struct, frozen=True, kw_only=True):
    """The container as last polled. `why` is the error of the last poll; the earlier data stays."""

    log: str = ""
    info: ContainerInfo | None = None
    details: ContainerDetails | None = None
    why: str = ""


class ContainerPoll:
    """Polls one container. `engine` may be slow to connect, and returns None if there is no engine."""

    def __init__(
        self,
        engine: Callable[[], EngineReader | None],
        container: str,
        deliver: Callable[[ContainerView], object],
        *,
        every: float,
    ) -> None:
        self._engine = engine
        self.container = container
        self._deliver = deliver
        self._every = every
        self._raw_log: str | None = None
        self._last_view = ContainerView()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop polling, without waiting long for an engine that does not answer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        has_delivered = False
        while not self._stop.is_set():
            view = self._poll()
            if not self._stop.is_set() and (view != self._last_view or not has_delivered):
                self._last_view, has_delivered = view, True
                self._deliver(view)
            self._stop.wait(self._every)

    def _poll(self) -> ContainerView:
        try:
            engine = self._engine()
            if engine is None:
                return msgspec.structs.replace(self._last_view, why=NO_ENGINE_TEXT)
            info, raw = engine.inspect(self.container), engine.logs(self.container, MAX_LOG_LINES)
            details = mask_details(engine.read_details(self.container))
        except NoSuchContainerError:
            return msgspec.structs.replace(self._last_view, why=NOT_FOUND_TEXT)
        except HemoStatError as error:
            return msgspec.structs.replace(self._last_view, why=error.message)
        # Masking costs more than the request.
        log = self._last_view.log if raw == self._raw_log else build_log_tail(raw, MAX_LOG_BYTES)
        self._raw_log = raw
        return ContainerView(log=log, info=info, details=details)
