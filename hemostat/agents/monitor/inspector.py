"""Inspects containers, each within a short time, so that one that hangs does not delay the others.

A container that the engine does not answer about is logged once, then skipped and retried separately, with
growing intervals. After an inspection has hung, the next ones get less time, because many containers may
hang. After several have hung within a minute, the next ones are made separately, too.

A container can be made to hang and to answer at will. So the answer to a separate inspection is used as it
is, and a container that has hung recently is inspected separately after those that have not.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from hemostat.agents.monitor.container_errors import MAX_REASON_CHARACTERS
from hemostat.core.backoff import compute_backoff
from hemostat.core.model import ContainerInfo
from hemostat.core.text import list_names, truncate
from hemostat.errors import (
    EngineError,
    EngineTimeoutError,
    EngineUnreachableError,
    NoSuchContainerError,
)
from hemostat.ports import EngineReader

FIRST_RETRY_SECONDS: Final = 5.0
MAX_RETRY_SECONDS: Final = 60.0
BRIEF_AFTER_HANG_SECONDS: Final = 600.0
"""Seconds after a hung inspection for which the next ones get less time: other work waits for them."""
MAX_HANGS: Final = 4
"""Hung inspections in HANG_WINDOW_SECONDS after which other work waits for no further inspection; twice as
many for a container that has answered a separate inspection meanwhile."""
HANG_WINDOW_SECONDS: Final = 60.0
BATCH_SIZE: Final = 8
"""Number of containers that are inspected together: if one hangs, this takes a second or two."""
MAX_RETRIES: Final = BATCH_SIZE
"""Maximum number of containers that have hung recently that are inspected in a round. The ones that have been
due for longest come first."""

logger = logging.getLogger(__name__)


class PendingInspection(msgspec.Struct, frozen=True, kw_only=True):
    """A container that could not be inspected in `tries` attempts; the next attempt is `due` (epoch
    seconds). No attempt was made where too many others had hung."""

    name: str
    reason: str
    tries: int
    due: float


class Inspector:
    """Inspects containers. Safe to use from several threads at once."""

    def __init__(self, engine: EngineReader) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._unanswered: dict[str, PendingInspection] = {}
        self._hung_at = 0.0
        """When an inspection that other work waits for last hung (epoch seconds)."""
        self.hung_count = 0
        """How many such inspections have hung."""
        self._hang_times: deque[float] = deque(maxlen=2 * MAX_HANGS)
        """When the latest of them hung (epoch seconds)."""
        self._hung: dict[str, float] = {}
        """When each container that has hung in the last BRIEF_AFTER_HANG_SECONDS last did (epoch seconds)."""
        self._answers: dict[str, ContainerInfo] = {}
        """Answers to separate inspections, by id, unless another inspection was requested since."""
        self._outdated: set[str] = set()
        """Containers for which an inspection was requested while a separate one was under way."""

    def inspect(
        self, container: str, name: str, now: float, *, answered: bool = False
    ) -> ContainerInfo | None:
        """Return None where the engine does not answer about this container now, and where it is inspected
        separately. Raises NoSuchContainerError where it was removed, and an EngineError that affects all
        containers. `answered`: whether the engine has answered about it in a separate inspection. That answer
        is returned if no inspection was requested since."""
        answer = self._take_answer([container])
        if answered and answer is not None:
            return answer
        if self._count_hangs(now) >= MAX_HANGS * (1 + answered):
            with self._lock:
                self._unanswered.setdefault(container, _make_waiting(name, now))
            return None
        return next(iter(self.inspect_all({container: name}, now)), None)

    def inspect_all(
        self, names: dict[str, str], now: float, on_removed: Callable[[str], object] | None = None
    ) -> Iterator[ContainerInfo]:
        """Yield those of `names` (by id) that the engine answers about. `on_removed` is called with each
        removed container; without it, NoSuchContainerError is raised."""
        self._take_answer(names)
        ids = [container for container in names if container not in self._unanswered]
        hung = self.hung_count
        for container, answer in self._engine.inspect_all(ids, brief=self._has_hung(now)).items():
            if isinstance(answer, ContainerInfo):
                yield answer
            elif not isinstance(answer, NoSuchContainerError):
                if isinstance(answer, EngineTimeoutError):
                    self._hung_at, self.hung_count = now, self.hung_count + 1
                self._note_failure(container, names[container], answer, now)
            elif on_removed is None:
                raise answer
            else:
                on_removed(container)
        if self.hung_count > hung:
            self._hang_times.append(now)

    def read_stop_mark(self, container: str, now: float) -> bool | None:
        """Return whether the engine has marked the container as stopped on request; None where it shows no
        mark. Raises EngineTimeoutError where the engine does not answer about this container, or where too
        many have hung, and EngineUnreachableError."""
        hangs = self._count_hangs(now)
        if hangs >= 2 * MAX_HANGS or (hangs >= MAX_HANGS and container in self._hung):
            raise EngineTimeoutError(f"mark of {container[:12]}: too many inspections have hung lately")
        try:
            return self._engine.was_stopped(container, brief=self._has_hung(now))
        except EngineTimeoutError:
            self._note_hang(container, now)
            self._hang_times.append(now)
            raise
        except EngineUnreachableError:
            raise
        except EngineError as error:
            raise EngineTimeoutError(error.message) from None

    def _count_hangs(self, now: float) -> int:
        return sum(0 <= now - time < HANG_WINDOW_SECONDS for time in self._hang_times)

    def _has_hung(self, now: float) -> bool:
        return 0 <= now - self._hung_at < BRIEF_AFTER_HANG_SECONDS

    def _note_hang(self, container: str, now: float) -> None:
        """Record an inspection that other work waited for."""
        self._hung_at, self.hung_count = now, self.hung_count + 1
        self._note_hung(container, now)

    def _note_hung(self, container: str, now: float) -> None:
        with self._lock:
            self._hung = {
                each: at for each, at in self._hung.items() if 0 <= now - at < BRIEF_AFTER_HANG_SECONDS
            }
            self._hung[container] = now

    def inspect_until_hung(
        self, names: dict[str, str], now: float, on_removed: Callable[[str], object]
    ) -> Iterator[ContainerInfo]:
        """Inspect as `inspect_all` does. Once an inspection has hung, the rest is inspected separately."""
        hung, rest = self.hung_count, list(names)
        while rest and self.hung_count == hung:
            batch, rest = rest[:BATCH_SIZE], rest[BATCH_SIZE:]
            yield from self.inspect_all({each: names[each] for each in batch}, now, on_removed)
        self._take_answer(rest)
        with self._lock:
            for each in rest:
                self._unanswered.setdefault(each, _make_waiting(names[each], now))

    def retry(self, now: float) -> Iterator[str]:
        """Inspect the containers without an attempt, first those that have not hung recently. Yields those
        that the engine answers about now, or that were removed."""
        due = self._list_due(now)
        new = [each for each, row in due.items() if not row.tries and each not in self._hung]
        late = [each for each, row in due.items() if not row.tries and each in self._hung]
        batches = [new[begin : begin + BATCH_SIZE] for begin in range(0, len(new), BATCH_SIZE)]
        for batch in filter(None, [*batches, late[:MAX_RETRIES]]):
            yield from self._retry({each: due[each] for each in batch}, now, brief=True)

    def retry_unresponsive(self, now: float) -> Iterator[str]:
        """Inspect the containers that have not answered and are due, with more time. Yields as `retry`."""
        due = {each: row for each, row in self._list_due(now).items() if row.tries}
        selected = sorted(due, key=lambda each: due[each].due)[:MAX_RETRIES]
        if selected:
            yield from self._retry({each: due[each] for each in selected}, now, brief=False)

    def _list_due(self, now: float) -> dict[str, PendingInspection]:
        with self._lock:
            return {container: each for container, each in self._unanswered.items() if each.due <= now}

    def _retry(self, due: dict[str, PendingInspection], now: float, *, brief: bool) -> list[str]:
        with self._lock:
            self._outdated -= due.keys()
        answers = self._engine.inspect_all(list(due), brief=brief)
        for container, answer in answers.items():
            if isinstance(answer, ContainerInfo | NoSuchContainerError):
                self._note_answer(container, answer)
                if due[container].tries:
                    logger.info("inspection.recovered container=%s", due[container].name)
            else:
                self._note_failure(container, due[container].name, answer, now)
        return [container for container in answers if container not in self._unanswered]

    def _note_answer(self, container: str, answer: ContainerInfo | NoSuchContainerError) -> None:
        with self._lock:
            is_awaited = self._unanswered.pop(container, None) is not None
            if is_awaited and isinstance(answer, ContainerInfo) and container not in self._outdated:
                self._answers[container] = answer
            self._outdated.discard(container)

    def _take_answer(self, containers: Iterable[str]) -> ContainerInfo | None:
        """Return the answer to the separate inspection of the last container, if there is one. The answers
        about all of these containers are forgotten: an event may be later than they are."""
        answer = None
        with self._lock:
            for each in containers:
                answer = self._answers.pop(each, None)
                if each in self._unanswered:
                    self._outdated.add(each)
        return answer

    def forget(self, container: str) -> None:
        with self._lock:
            self._unanswered.pop(container, None)
            self._answers.pop(container, None)
            self._hung.pop(container, None)

    def keep_only(self, present: Iterable[str]) -> None:
        """Forget the containers that were removed."""
        ids = set(present)
        with self._lock:
            self._unanswered = {each: row for each, row in self._unanswered.items() if each in ids}
            self._answers = {each: answer for each, answer in self._answers.items() if each in ids}
            self._hung = {each: at for each, at in self._hung.items() if each in ids}
            self._outdated &= ids

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings for users, one for each reason."""
        names: dict[str, list[str]] = {}
        for each in tuple(self._unanswered.values()):
            if each.tries:
                names.setdefault(each.reason, []).append(each.name)
        return tuple(f"cannot inspect {list_names(affected)}: {why}" for why, affected in names.items())

    def _note_failure(self, container: str, name: str, error: EngineError, now: float) -> None:
        reason = truncate(error.message.partition(": ")[2] or error.message, MAX_REASON_CHARACTERS)
        if isinstance(error, EngineTimeoutError):
            self._note_hung(container, now)
        with self._lock:
            last = self._unanswered.get(container)
            tries = 1 if last is None else last.tries + 1
            due = now + compute_backoff(tries, FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
            self._unanswered[container] = PendingInspection(name=name, reason=reason, tries=tries, due=due)
        if tries == 1:
            logger.warning("inspection.failed container=%s error=%s", name, error)


def _make_waiting(name: str, now: float) -> PendingInspection:
    return PendingInspection(name=name, reason="", tries=0, due=now)
