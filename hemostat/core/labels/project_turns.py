"""What does not get its turn within the time of one round gets it first in the next, and projects take turns.

One round must not take long, for everything else waits for it. How many items there are, and how long each
takes, may be up to one tenant.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Generic, TypeVar

from hemostat.core.labels.project import take_turns

T = TypeVar("T")


class Turns(Generic[T]):
    """`stopwatch` tells seconds from any moment on; a round lasts for `seconds`, and at least one item."""

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
        """In which round each had its turn last, while some wait for theirs."""
        self._round = 0

    def take(self, items: Collection[T]) -> Iterator[T]:
        """As many of these as there is time for: all of them, in their order, unless some had to wait."""
        self._round += 1
        began, served = self._stopwatch(), self._served
        ordered = items
        if served:
            ordered = take_turns(
                sorted(items, key=lambda each: served.get(self._key(each), 0)), self._project
            )
        now_served: dict[Hashable, int] = {}
        for each in ordered:
            if now_served and self._stopwatch() - began >= self._seconds:
                known = {self._key(item) for item in items}
                self._served = {key: at for key, at in served.items() if key in known} | now_served
                return
            now_served[self._key(each)] = self._round
            yield each
        self._served = {}


__all__ = ["Turns"]
