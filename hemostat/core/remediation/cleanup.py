"""What a cleanup may delete.

In a container, a cleanup deletes the contents of the directories that the container's label names. On the
host, a cleanup deletes unused items within the limits of the settings, except items that a label or the list
of protected names keeps.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from hemostat.core.detection.restart_owner import find_orchestrator
from hemostat.core.labels.definitions import CLEANUP, KEEP
from hemostat.core.labels.mistakes import explain_protection
from hemostat.core.model import PrunableItem, PrunableKind
from hemostat.core.settings.monitor import should_watch
from hemostat.core.units import Seconds, show_size
from hemostat.events import Container

CLEANUP_SCRIPT: Final = """\
root=$(stat -c %d /) || exit 1
for path do
  [ -d "$path" ] || continue
  [ "$(stat -c %d "$path")" = "$root" ] || { echo "$path is a mount" >&2; exit 1; }
  find "$path" -xdev -mindepth 1 -depth ! -type d -exec rm -f -- {} + || exit 1
  find "$path" -xdev -mindepth 1 -depth -type d -exec rmdir -- {} + 2>/dev/null || :
done
"""
"""Run by `sh -c` in the container, with the paths as arguments. Another device is a volume, which HemoStat
must not empty. A directory with a volume mounted in it is not removed. The script does not use `-delete`
because busybox may be built without that option."""


def build_cleanup_command(labels: Mapping[str, str]) -> list[str] | None:
    """The command that empties the directories named by the label; None if the label names no directory."""
    paths = CLEANUP.read_from(labels)
    return ["sh", "-c", CLEANUP_SCRIPT, "hemostat-cleanup", *paths] if paths else None


class Cleanup(msgspec.Struct, frozen=True, kw_only=True):
    """What may be deleted when the host's disk is full."""

    stopped_older_than: Seconds = 86400.0
    """Seconds that a container must have been stopped before it may be deleted."""
    images: bool = True
    """Whether to delete images without a name that no container uses."""
    build_cache: bool = True
    volumes: bool = False
    """Whether to delete volumes that no container uses, including named ones. Their contents are lost."""


def select_items_to_delete(
    leftovers: Iterable[PrunableItem], settings: Cleanup, protect: Sequence[str], now: float
) -> tuple[PrunableItem, ...]:
    """The leftovers to delete, containers first. `protect` lists name patterns, with * and ?, that are never
    deleted."""
    going = (
        each
        for each in leftovers
        if _is_deletion_allowed(each, settings, now) and not _must_keep(each, protect)
    )
    order = list(PrunableKind)
    return tuple(sorted(going, key=lambda each: (order.index(each.what), each.name, each.id)))


def _is_deletion_allowed(item: PrunableItem, settings: Cleanup, now: float) -> bool:
    match item.what:
        case PrunableKind.CONTAINER:
            return now - item.since >= settings.stopped_older_than
        case PrunableKind.IMAGE:
            return settings.images
        case PrunableKind.VOLUME:
            return settings.volumes
        case PrunableKind.BUILD_CACHE:
            return settings.build_cache


def _must_keep(item: PrunableItem, protect: Sequence[str]) -> bool:
    """An orchestrator may start its stopped container again, and removes those that it no longer needs."""
    thing = Container(id=item.id, name=item.name, labels=item.labels)
    if KEEP.read_from(thing.labels) or find_orchestrator(thing) is not None:
        return True
    return is_protected(thing, protect)


def is_protected(thing: Container, protect: Sequence[str]) -> bool:
    """Whether a label or the name protects the container from HemoStat."""
    if explain_protection(thing.labels) or not should_watch(thing):
        return True
    return any(fnmatchcase(thing.name, pattern) for pattern in protect)


def describe_items(items: Iterable[tuple[PrunableItem, int]]) -> str:
    """Leftovers with their bytes, by kind: `2 stopped containers 24.0 MiB, build cache 1.2 GiB`."""
    kinds: defaultdict[PrunableKind, list[int]] = defaultdict(list)
    for item, freed in items:
        kinds[item.what].append(freed)
    return ", ".join(
        f"{_format_count(kind, len(sizes))} {show_size(sum(sizes))}" for kind, sizes in kinds.items()
    )


def _format_count(kind: PrunableKind, number: int) -> str:
    return str(kind) if kind is PrunableKind.BUILD_CACHE else f"{number} {kind}{'s' * (number != 1)}"
