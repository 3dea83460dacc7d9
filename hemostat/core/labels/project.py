"""Which project a container belongs to: the unit by which limits of a host are shared out between tenants.

Labels name the project, so a tenant can name several, or the project of somebody else. That is why a share
is never the only bound: what is held because of others ends after a time that no label changes (decision
0035). All containers without a project are one project: else a tenant who names nothing had many shares.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Final, TypeVar

from hemostat.events import Container

NO_PROJECT: Final = ""
"""Of the containers that belong to none."""
PROJECT_LABELS: Final = (
    "com.docker.compose.project",
    "com.docker.stack.namespace",
    "com.docker.swarm.service.name",
    "io.kubernetes.pod.namespace",
    "com.amazonaws.ecs.task-definition-family",
)
"""The first of these that a container has names its project."""
MAX_NAME_CHARACTERS: Final = 100
"""Characters of a project's name: it is kept with every attempt in the ledger."""

T = TypeVar("T")


def get_project(container: Container) -> str:
    """The name of its compose project, swarm stack or service, Kubernetes namespace or ECS task family;
    NO_PROJECT where no label names one."""
    named = (container.labels.get(label) for label in PROJECT_LABELS)
    return next((name[:MAX_NAME_CHARACTERS] for name in named if name), NO_PROJECT)


def limit_per_project(limit: int) -> int:
    """What one project may have of a limit that others need too."""
    return max(1, limit // 2)


def limit_others(project: str | None, items: Iterable[T], most: int, name_of: Callable[[T], str]) -> list[T]:
    """Those of these items that count against `project`: all of its own, and the first `most` of each other
    project. So no project uses up what others need, and a host with one project has the whole of it. None
    stands for a project that has nothing yet. `name_of`: the project of an item."""
    counts: Counter[str] = Counter()
    counted = []
    for item in items:
        name = name_of(item)
        counts[name] += 1
        if name == project or counts[name] <= most:
            counted.append(item)
    return counted


def take_turns(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """The same items: the first of each key, then the second of each, and so on, else in their order."""
    turns: Counter[Hashable] = Counter()
    ranked: list[tuple[int, T]] = []
    for item in items:
        ranked.append((turns[key(item)], item))
        turns[key(item)] += 1
    return [item for _, item in sorted(ranked, key=lambda each: each[0])]
