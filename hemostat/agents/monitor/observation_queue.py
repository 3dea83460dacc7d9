"""A queue between the threads that observe and the thread that handles the observations."""

import threading
from typing import Final

from hemostat.core.detection.event_queue import EventQueue, EventSpan
from hemostat.core.model import Observation

MAX_LEFT_OUT_TAKEN: Final = 50
"""Maximum number of containers with dropped events that are inspected in one round."""


class ObservationQueue:
    def __init__(self) -> None:
        self._intake = EventQueue()
        self._changed = threading.Condition()

    def put(self, observation: Observation) -> None:
        with self._changed:
            self._intake.add(observation)
            self._changed.notify()

    def get(self, timeout: float) -> Observation | None:
        """Return the next observation; None if none comes within `timeout` seconds."""
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
        """Return the containers to inspect because some of their events were dropped."""
        with self._changed:
            return [
                self._intake.left_out_ids.pop()
                for _ in range(min(MAX_LEFT_OUT_TAKEN, len(self._intake.left_out_ids)))
            ]

    def take_overflow(self) -> bool:
        """Return whether all containers are to be listed because too many events came."""
        with self._changed:
            overflowed, self._intake.has_overflowed = self._intake.has_overflowed, False
            return overflowed
