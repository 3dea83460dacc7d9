"""Saves evidence about containers that are not acted on, for the person who has to act.

Nothing waits for this evidence, and any container can cause any number of such requests. So one thread
collects it, once for each incident within REPEAT_SECONDS, and rests after each snapshot for as long as the
snapshot took: threads that act have priority.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from hemostat.agents.responder.outcome import RequestCase
from hemostat.core.labels.project import get_project
from hemostat.ports import Clock, Interrupted

REPEAT_SECONDS: Final = 300.0
"""Seconds after a snapshot in which another snapshot of the same incident is not taken."""
MAX_PENDING: Final = 64
MAX_PENDING_PER_PROJECT: Final = 8
"""Maximum number of incidents that wait for their snapshot: of the host, and of one project."""

logger = logging.getLogger(__name__)


class EscalationEvidence:
    """`save` collects and stores the evidence of a case. `run` runs work in another thread, given the name of
    that thread. Safe to use from several threads at once."""

    def __init__(
        self,
        save: Callable[[RequestCase], None],
        clock: Clock,
        run: Callable[[Callable[[], None], str], object],
    ) -> None:
        self._save = save
        self._clock = clock
        self._run = run
        self._lock = threading.Lock()
        self._pending: deque[RequestCase] = deque()
        self._saved_at: dict[str, float] = {}
        """When evidence of each incident was last requested and accepted (epoch seconds)."""
        self._is_running = False

    def request(self, case: RequestCase) -> None:
        """Save evidence of a case in the other thread, unless evidence of its incident was requested in the
        last REPEAT_SECONDS, or too many incidents wait."""
        with self._lock:
            if not self._accept(case) or self._is_running:
                return
            self._is_running = True
        try:
            self._run(self._save_pending, "escalation-evidence")
        except RuntimeError as error:  # no thread can be started now; the next request tries again
            with self._lock:
                self._is_running = False
            logger.warning("evidence.thread_failed error=%s", error)

    def _accept(self, case: RequestCase) -> bool:
        now, project = self._clock.now(), get_project(case.request.alert.container)
        recent = {each: at for each, at in self._saved_at.items() if 0 <= now - at < REPEAT_SECONDS}
        own = sum(get_project(each.request.alert.container) == project for each in self._pending)
        if case.incident in recent:
            return False
        if len(self._pending) >= MAX_PENDING or own >= MAX_PENDING_PER_PROJECT:
            logger.warning("evidence.skipped incident=%s waiting=%d", case.incident, len(self._pending))
            return False
        self._saved_at = {**recent, case.incident: now}
        self._pending.append(case)
        return True

    def _save_pending(self) -> None:
        try:
            while (case := self._take_next()) is not None:
                began = self._clock.now()
                self._try_save(case)
                self._clock.sleep(max(0.0, self._clock.now() - began))
        except Interrupted:
            with self._lock:
                self._is_running = False

    def _take_next(self) -> RequestCase | None:
        with self._lock:
            if not self._pending:
                self._is_running = False
                return None
            return self._pending.popleft()

    def _try_save(self, case: RequestCase) -> None:
        try:
            self._save(case)
        except Exception:
            logger.exception("evidence.save_failed incident=%s", case.incident)
