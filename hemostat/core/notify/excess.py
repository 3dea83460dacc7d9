"""Selects the notifications that a full queue drops: a project's flood must not drop those of another."""

from collections import Counter
from collections.abc import Sequence

from hemostat.core.notify.notification import Notification


def select_excess(queued: Sequence[Notification], most: int) -> list[Notification]:
    """Return the notifications beyond `most` and, if there are any, a hundredth of `most` more.

    `queued` is in the order in which the notifications are due. Selected is, one at a time, the earliest of
    the project that has most. Notifications that are not about a failure count as a project.
    """
    if len(queued) <= most:
        return []
    groups = [(each.project,) if each.kind else () for each in queued]
    left = Counter(groups)
    ranks: list[tuple[int, int]] = []
    for at, group in enumerate(groups):
        ranks.append((-left[group], at))
        left[group] -= 1
    return [queued[at] for _, at in sorted(ranks)[: len(queued) - most + most // 100]]
