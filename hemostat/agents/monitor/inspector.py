"""Inspects containers, each within a short time, so that one that hangs does not delay the others.

A container that the engine does not answer about is logged once, then skipped and retried separately, with
growing intervals. After an inspection has hung, the next ones get less time, because many containers may
hang.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from hemostat.agents.monitor.container_errors import MAX_REASON_CHARACTERS
from hemostat.core.backoff import compute_backoff
from hemostat.core.model import ContainerInfo
from hemostat.core.text import list_names, truncate
from hemostat.errors import EngineError, EngineTimeoutError, NoSuchContainerError
from hemostat.ports import Engine

FIRST_RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 60.0
BRIEF_AFTER_HANG_SECONDS: Final = 600.0
"""Seconds after a hung inspection for which the next ones get less time: other work waits for them."""

logger = logging.getLogger(__name__)


class PendingInspection(msgspec.Struct, frozen=True, kw_only=True):
    """A container that could not be inspected in `tries` attempts; the next attempt is `due` (epoch
    seconds)."""

    name: str
    reason: str
    tries: int
    due: float


class Inspector:
    """Inspects containers. Safe to use from several threads at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._unanswered: dict[str, PendingInspection] = {}
        self._hung_at = 0.0
        """When an inspection that other work waits for last hung (epoch seconds)."""
        self.hung = 0
        """How many such inspections have hung."""

    def inspect(self, container: str, name: str, now: float) -> ContainerInfo | None:
        """Return None where the engine does not answer about this container now. Raises NoSuchContainerError
        where it was removed, and an EngineError that affects all containers."""
        return next(iter(self.inspect_all({container: name}, now)), None)

    def inspect_all(
        self, names: dict[str, str], now: float, gone: Callable[[str], object] | None = None
    ) -> Iterator[ContainerInfo]:
        """Yield those of `names` (by id) that the engine answers about. `gone` is called with each removed
        container; without it, NoSuchContainerError is raised."""
        asked = [container for container in names if container not in self._unanswered]
        brief = 0 <= now - self._hung_at < BRIEF_AFTER_HANG_SECONDS
        for container, answer in self._engine.inspect_all(asked, brief=brief).items():
            if isinstance(answer, ContainerInfo):
                yield answer
            elif not isinstance(answer, NoSuchContainerError):
                if isinstance(answer, EngineTimeoutError):
                    self._hung_at, self.hung = now, self.hung + 1
                self._note_failure(container, names[container], answer, now)
            elif gone is None:
                raise answer
            else:
                gone(container)

    def retry(self, now: float) -> list[str]:
        """Inspect again the containers that are due. Returns those that the engine answers about now, or that
        were removed."""
        with self._lock:
            due = {container: each for container, each in self._unanswered.items() if each.due <= now}
        if not due:
            return []
        answers = self._engine.inspect_all(list(due))
        for container, answer in answers.items():
            if isinstance(answer, ContainerInfo | NoSuchContainerError):
                self.forget(container)
                logger.info("inspection.recovered container=%s", due[container].name)
            else:
                self._note_failure(container, due[container].name, answer, now)
        return [container for container in answers if container not in self._unanswered]

    def forget(self, container: str) -> None:
        with self._lock:
            self._unanswered.pop(container, None)

    def keep_only(self, present: Iterable[str]) -> None:
        """Forget the containers that were removed."""
        with self._lock:
            kept = self._unanswered.keys() & set(present)
            self._unanswered = {container: self._unanswered[container] for container in kept}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings for users, one for each reason."""
        names: dict[str, list[str]] = {}
        for each in tuple(self._unanswered.values()):
            names.setdefault(each.reason, []).append(each.name)
        return tuple(f"cannot inspect {list_names(found)}: {why}" for why, found in names.items())

    def _note_failure(self, container: str, name: str, error: EngineError, now: float) -> None:
        reason = truncate(error.message.partition(": ")[2] or error.message, MAX_REASON_CHARACTERS)
        with self._lock:
            known = self._unanswered.get(container)
            tries = 1 if known is None else known.tries + 1
            due = now + compute_backoff(tries, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
            self._unanswered[container] = PendingInspection(name=name, reason=reason, tries=tries, due=due)
        if known is None:
            logger.warning("inspection.failed container=%s error=%s", name, error)
