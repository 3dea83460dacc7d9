"""Lists the unused objects in the engine's disk usage, and removes each kind."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import docker
from docker.errors import NotFound

from hemostat.adapters.docker_engine.connection import find_base_url, read_json
from hemostat.adapters.docker_engine.parse import parse_seconds
from hemostat.core import bounds
from hemostat.core.labels.container_ref import select_labels
from hemostat.core.model import PrunableItem, PrunableKind
from hemostat.events import MAX_TIME

PRUNE_SECONDS: Final = 300.0
"""Seconds for the engine's walk over its files, and for a prune of the build cache."""
STOPPED_STATES: Final = frozenset({"created", "exited", "dead"})
UNTAGGED_NAMES: Final = frozenset({"<none>:<none>", "<none>@<none>"})

Json = Mapping[str, Any]


def list_containers(
    used: Json, label_filters: Sequence[str], end_times: Mapping[str, float]
) -> Iterator[PrunableItem]:
    """The stopped containers whose stop times `end_times` contains."""
    for row in _select_labelled(used.get("Containers"), label_filters):
        if row["Id"] in end_times:
            name = next(iter(row.get("Names") or ()), row["Id"]).removeprefix("/")
            yield _make_item(
                PrunableKind.CONTAINER, row["Id"], name, row, row.get("SizeRw"), end_times[row["Id"]]
            )


def list_images(used: Json, label_filters: Sequence[str]) -> Iterator[PrunableItem]:
    """Images without tag and digest. Layers shared with other images stay when an image is removed."""
    for row in _select_labelled(used.get("Images"), label_filters):
        names = {*(row.get("RepoTags") or ()), *(row.get("RepoDigests") or ())}
        if names <= UNTAGGED_NAMES and row.get("Containers") == 0:
            size = (row.get("Size") or 0) - max(0, row.get("SharedSize") or 0)
            yield _make_item(PrunableKind.IMAGE, row["Id"], "", row, size, row.get("Created") or 0.0)


def list_volumes(used: Json, label_filters: Sequence[str]) -> Iterator[PrunableItem]:
    """Volumes on this host's disk only: other drivers store data elsewhere."""
    for row in _select_labelled(used.get("Volumes"), label_filters):
        use, name = row.get("UsageData") or {}, row["Name"]
        if use.get("RefCount") == 0 and row.get("Driver") == "local" and not row.get("Options"):
            since = parse_seconds(row.get("CreatedAt"))
            yield _make_item(PrunableKind.VOLUME, name, name, row, use.get("Size"), since)


def list_build_cache(used: Json, label_filters: Sequence[str]) -> Iterator[PrunableItem]:
    """The whole build cache as one item: its records depend on each other.

    Data shared with images is not freed.
    """
    unused = [row for row in used.get("BuildCache") or () if not row.get("InUse") and not row.get("Shared")]
    if unused and not label_filters:
        size = sum(row.get("Size") or 0 for row in unused)
        yield PrunableItem(what=PrunableKind.BUILD_CACHE, size=size)


def _select_labelled(rows: Iterable[Json] | None, label_filters: Sequence[str]) -> Iterator[Json]:
    """The rows with all the `label_filters` labels, each `key` or `key=value`."""
    for row in rows or ():
        carried = row.get("Labels") or {}
        if {*label_filters} <= {*carried, *(f"{key}={value}" for key, value in carried.items())}:
            yield row


def _make_item(
    kind: PrunableKind, identity: str, name: str, row: Json, size: int | None, since: float
) -> PrunableItem:
    return PrunableItem(
        what=kind,
        id=identity,
        name=bounds.shorten_identifier(name, bounds.MAX_NAME_CHARACTERS),
        size=bounds.clamp_int(size),
        since=bounds.clamp_float(since, MAX_TIME),
        labels=select_labels(row.get("Labels") or {}),
    )


def remove(client: docker.APIClient, item: PrunableItem) -> int:
    """Remove an item. Returns the bytes freed, 0 if the item is gone. The engine refuses items in use."""
    if item.what is PrunableKind.BUILD_CACHE:
        pruned = read_json(client.post(f"{find_base_url(client)}/build/prune", timeout=PRUNE_SECONDS))
        return int(pruned.get("SpaceReclaimed") or 0)
    try:
        _REMOVALS[item.what](client, item.id)
    except NotFound:
        return 0
    return item.size


_REMOVALS: Final[dict[PrunableKind, Callable[[docker.APIClient, str], object]]] = {
    PrunableKind.CONTAINER: lambda client, identity: client.remove_container(identity, v=False, force=False),
    PrunableKind.IMAGE: lambda client, identity: client.remove_image(identity, force=False),
    PrunableKind.VOLUME: lambda client, identity: client.remove_volume(identity, force=False),
}
