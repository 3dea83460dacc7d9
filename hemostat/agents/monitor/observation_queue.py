"""Between the threads that observe and the one that handles what they observe."""

import threading
from typing import Final

from hemostat.core.detection.event_queue import EventQueue, EventSpan
from hemostat.core.model import Observation

MAX_LEFT_OUT_TAKEN: Final = 50
"""Containers of which events were left out that are looked at in one round."""


class ObservationQueue:
    def __init__(self) -> None:
        self._intake = EventQueue()
        self._changed = threading.Condition()

    def put(self, observation: Observation) -> None:
        with self._changed:
            self._intake.add(observation)
            self._changed.notify()

    def get(self, timeout: float) -> Observation | None:
        """The next one; None where nothing comes within `timeout` seconds."""
        with self._changed:
            observation = self._intake.take()
            if observation is None and timeout > 0:
                self._changed.wait(timeout)
                observation = self._intake.take()
            return observation

    def __len__(self) -> int:
        with self._changed:
            return len(self._intake)

    @property
    def span(self) -> EventSpan | None:
        with self._changed:
            return self._intake.span

    def take_left_out(self) -> list[str]:
        """Containers that are to be looked at, for events of theirs were left out."""
        with self._changed:
            return [
                self._intake.left_out.pop()
                for _ in range(min(MAX_LEFT_OUT_TAKEN, len(self._intake.left_out)))
            ]

    def take_overflow(self) -> bool:
        """Whether all containers are to be listed, for too many events came."""
        with self._changed:
            overflowed, self._intake.overflowed = self._intake.overflowed, False
            return overflowed
