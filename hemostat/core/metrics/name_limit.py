"""Limits how many containers metrics name, and shares the names by project.

A name that was not seen for an hour gives its slot to another name. If all slots hold names in use, a project
may take one from the project with the most, as long as that project still has at least as many. So containers
with changing names occupy no slot forever, and no project occupies all slots.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.labels.project import NO_PROJECT, get_project
from hemostat.core.metrics.definitions import OTHER, Values
from hemostat.events import Container

UNSEEN_SECONDS: Final = 3600.0


class NameSlot(msgspec.Struct, frozen=True, array_like=True):
    """`seen` is epoch seconds."""

    project: str = NO_PROJECT
    seen: float = 0.0


class ContainerNames:
    def __init__(self, most: int) -> None:
        self._max_names = most
        self.places: dict[str, NameSlot] = {}

    def restore(self, places: dict[str, NameSlot], names: Iterable[str]) -> None:
        """`names` were stored by an earlier version, which did not record when they were seen."""
        known = dict.fromkeys(names, NameSlot()) | places
        latest = (
            sorted(known, key=lambda name: known[name].seen)[-self._max_names :] if self._max_names else []
        )
        self.places = {name: known[name] for name in latest}

    def take(self, container: Container, now: float) -> tuple[str, str]:
        """The container's name in metrics, and the name that lost its slot to the container; empty if none
        did."""
        name, project = container.name, get_project(container)
        known = self.places.get(name)
        if known is not None:
            self.places[name] = NameSlot(project, max(known.seen, now))
            return name, ""
        lost = "" if len(self.places) < self._max_names else self._find_replaceable(project, now)
        if lost is None:
            return OTHER, ""
        self.places.pop(lost, None)
        self.places[name] = NameSlot(project, now)
        return name, lost

    def _find_replaceable(self, project: str, now: float) -> str | None:
        """The name whose slot this project may take; None if no slot may be taken."""
        oldest = min(self.places, key=lambda name: self.places[name].seen, default=None)
        if oldest is None or now - self.places[oldest].seen > UNSEEN_SECONDS:
            return oldest
        held = Counter(each.project for each in self.places.values())
        largest, number = held.most_common(1)[0]
        if number <= held[project] + 1:
            return None
        own = (name for name, each in self.places.items() if each.project == largest)
        return min(own, key=lambda name: self.places[name].seen)


def fold_into_other(values: Values, position: int, name: str) -> None:
    """Moves the count of this name, a label at that position, to OTHER."""
    for labels in [each for each in values if each[position] == name]:
        other = (*labels[:position], OTHER, *labels[position + 1 :])
        values[other] = values.get(other, 0.0) + values.pop(labels)
