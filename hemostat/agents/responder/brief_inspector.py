"""Inspects containers within a short time, for threads that others wait for.

A container can be made to hang at will, so each is asked about less often the longer it has not answered: a
thread loses little time to any number of them.
"""

import threading
from collections.abc import Sequence
from typing import Final

from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineTimeoutError
from hemostat.ports import Clock, Engine

FIRST_SILENCE_SECONDS: Final = 5.0
MAX_SILENCE_SECONDS: Final = 120.0
"""A container that has not answered is not asked about for FIRST_SILENCE_SECONDS, then for twice as long each
time."""

Answers = dict[str, ContainerInfo | EngineError]


class BriefInspector:
    """Inspects containers briefly. Safe to use from several threads at once."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._silent: dict[str, tuple[float, float]] = {}
        """Of each container that did not answer: when it was asked about last (epoch seconds), and for how
        many seconds it is not asked about again."""

    def inspect(self, containers: Sequence[str]) -> Answers:
        """Return each container, or why it cannot be inspected. Raises EngineError where the failure affects
        all containers."""
        now = self._clock.now()
        with self._lock:
            resting = {each for each in containers if self._is_resting(each, now)}
        requested = [each for each in dict.fromkeys(containers) if each not in resting]
        answers = dict(self._engine.inspect_all(requested, brief=True)) if requested else {}
        with self._lock:
            self._note(answers, self._clock.now())
        silence = (EngineTimeoutError(f"inspect {each}: it has not answered lately") for each in resting)
        return {**answers, **dict(zip(resting, silence, strict=True))}

    def _is_resting(self, container: str, now: float) -> bool:
        asked_at, rest = self._silent.get(container, (0.0, 0.0))
        return 0 <= now - asked_at < rest

    def _note(self, answers: Answers, now: float) -> None:
        for container, answer in answers.items():
            if isinstance(answer, EngineTimeoutError):
                rest = min(2 * self._silent.get(container, (0.0, 0.0))[1], MAX_SILENCE_SECONDS)
                self._silent[container] = (now, max(rest, FIRST_SILENCE_SECONDS))
            else:
                self._silent.pop(container, None)
        self._silent = {
            each: row for each, row in self._silent.items() if abs(now - row[0]) < 2 * MAX_SILENCE_SECONDS
        }
