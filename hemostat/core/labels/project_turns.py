"""Limits the time of a round. Items that get no turn come first in the next round, and projects take turns.

A round must be short, because everything else waits for it. One tenant may decide how many items there are,
and how long each takes.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Generic, TypeVar

from hemostat.core.labels.project import take_turns

T = TypeVar("T")


class Turns(Generic[T]):
    """`stopwatch` returns seconds since any moment. A round lasts `seconds`, and at least one item."""

    def __init__(
        self,
        stopwatch: Callable[[], float],
        seconds: float,
        *,
        key: Callable[[T], Hashable],
        project: Callable[[T], str],
    ) -> None:
        self._stopwatch = stopwatch
        self._seconds = seconds
        self._key = key
        self._project = project
        self._served: dict[Hashable, int] = {}
        """The round in which each key last had its turn, while some wait for theirs."""
        self._round = 0

    def take(self, items: Collection[T]) -> Iterator[T]:
        """Yield as many items as there is time for: all of them, in their order, unless some had to wait."""
        self._round += 1
        started_at, served = self._stopwatch(), self._served
        ordered = items
        if served:
            ordered = take_turns(
                sorted(items, key=lambda each: served.get(self._key(each), 0)), self._project
            )
        now_served: dict[Hashable, int] = {}
        for each in ordered:
            if now_served and self._stopwatch() - started_at >= self._seconds:
                current_keys = {self._key(item) for item in items}
                self._served = {key: at for key, at in served.items() if key in current_keys} | now_served
                return
            now_served[self._key(each)] = self._round
            yield each
        self._served = {}


__all__ = ["Turns"]
