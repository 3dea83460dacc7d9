"""Determines a container's project, the unit by which the limits of a host are shared between tenants.

Labels name the project, so a tenant can name several, or another tenant's project. A share is therefore never
the only bound: what is held because of others ends after a time that no label changes (decision 0035). All
containers without a project form one project. Otherwise a tenant who names no project would have many shares.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Final, TypeVar

from hemostat.events import Container

NO_PROJECT: Final = ""
"""The project of containers that have none."""
PROJECT_LABELS: Final = (
    "com.docker.compose.project",
    "com.docker.stack.namespace",
    "com.docker.swarm.service.name",
    "io.kubernetes.pod.namespace",
    "com.amazonaws.ecs.task-definition-family",
)
"""The first of these labels that a container has names its project."""
MAX_NAME_CHARACTERS: Final = 100
"""Characters of a project's name, which is stored with every attempt in the ledger."""

T = TypeVar("T")


def get_project(container: Container) -> str:
    """Return the name of the compose project, swarm stack or service, Kubernetes namespace or ECS task
    family; NO_PROJECT if no label names one."""
    names = (container.labels.get(label) for label in PROJECT_LABELS)
    return next((name[:MAX_NAME_CHARACTERS] for name in names if name), NO_PROJECT)


def limit_per_project(limit: int) -> int:
    """Return how much of a limit that others need too one project may use."""
    return max(1, limit // 2)


def limit_others(project: str | None, items: Iterable[T], most: int, name_of: Callable[[T], str]) -> list[T]:
    """Return the items that count against `project`: all of its own, and the first `most` of each other
    project. No project can use up what others need, and a host with one project has the whole limit. None
    stands for a project that has nothing yet. `name_of` returns the project of an item."""
    counts: Counter[str] = Counter()
    allowed_items = []
    for item in items:
        name = name_of(item)
        counts[name] += 1
        if name == project or counts[name] <= most:
            allowed_items.append(item)
    return allowed_items


def take_turns(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the same items: the first of each key, then the second of each, and so on, else in order."""
    turns: Counter[Hashable] = Counter()
    ranked: list[tuple[int, T]] = []
    for item in items:
        ranked.append((turns[key(item)], item))
        turns[key(item)] += 1
    return [item for _, item in sorted(ranked, key=lambda each: each[0])]
