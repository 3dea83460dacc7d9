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
        self.slots: dict[str, NameSlot] = {}

    def restore(self, slots: dict[str, NameSlot], names: Iterable[str]) -> None:
        """`names` were stored by an earlier version, which did not record when they were seen."""
        all_slots = dict.fromkeys(names, NameSlot()) | slots
        latest = (
            sorted(all_slots, key=lambda name: all_slots[name].seen)[-self._max_names :]
            if self._max_names
            else []
        )
        self.slots = {name: all_slots[name] for name in latest}

    def take(self, container: Container, now: float) -> tuple[str, str]:
        """The container's name in metrics, and the name that lost its slot to the container; empty if none
        did."""
        name, project = container.name, get_project(container)
        slot = self.slots.get(name)
        if slot is not None:
            self.slots[name] = NameSlot(project, max(slot.seen, now))
            return name, ""
        dropped_name = "" if len(self.slots) < self._max_names else self._find_replaceable(project, now)
        if dropped_name is None:
            return OTHER, ""
        self.slots.pop(dropped_name, None)
        self.slots[name] = NameSlot(project, now)
        return name, dropped_name

    def _find_replaceable(self, project: str, now: float) -> str | None:
        """The name whose slot this project may take; None if no slot may be taken."""
        oldest = min(self.slots, key=lambda name: self.slots[name].seen, default=None)
        if oldest is None or now - self.slots[oldest].seen > UNSEEN_SECONDS:
            return oldest
        slot_counts = Counter(each.project for each in self.slots.values())
        largest, number = slot_counts.most_common(1)[0]
        if number <= slot_counts[project] + 1:
            return None
        own = (name for name, each in self.slots.items() if each.project == largest)
        return min(own, key=lambda name: self.slots[name].seen)


def fold_into_other(values: Values, position: int, name: str) -> None:
    """Moves the count of this name, a label at that position, to OTHER."""
    for labels in [each for each in values if each[position] == name]:
        folded_labels = (*labels[:position], OTHER, *labels[position + 1 :])
        values[folded_labels] = values.get(folded_labels, 0.0) + values.pop(labels)
