"""Lists the unused objects in the engine's disk usage, and removes each kind."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode

import docker
import msgspec
from docker.errors import NotFound
from docker.utils import convert_filters

from hemostat.adapters.docker_engine.connection import ClientPool, find_base_url, make_getter, read_json
from hemostat.adapters.docker_engine.parse import parse_seconds
from hemostat.core import bounds
from hemostat.core.labels.container_ref import select_labels
from hemostat.core.model import ContainerInfo, PrunableItem, PrunableKind
from hemostat.errors import EngineForbiddenError
from hemostat.events import MAX_TIME

PRUNE_SECONDS: Final = 300.0
"""Seconds for the engine's walk over its files, and for a prune of the build cache."""
STOPPED_STATES: Final = frozenset({"created", "exited", "dead"})
MAX_DISK_USE_BYTES: Final = 64 << 20
"""Limit of the engine's disk usage, which lists all images, containers, volumes and build cache records."""
UNTAGGED_NAMES: Final = frozenset({"<none>:<none>", "<none>@<none>"})

Json = Mapping[str, Any]


def read_disk_usage(connection: ClientPool) -> tuple[Json, Sequence[Json], Sequence[Json]]:
    """The engine's disk usage, its dangling images and its unused volumes.

    Podman's disk usage has neither labels nor drivers: those are in the lists. Where a proxy forbids the
    lists, the rows of the disk usage stand for them, which is enough for Docker.
    """
    query = urlencode({"filters": convert_filters({"dangling": True})})

    def read(path: str, query: str = "") -> Any:
        with connection.lend_client("disk usage") as client:
            return msgspec.json.decode(make_getter(client, PRUNE_SECONDS)(path, query, MAX_DISK_USE_BYTES))

    used = read("/system/df")
    images, volumes = used.get("Images"), used.get("Volumes")
    with suppress(EngineForbiddenError):
        images, volumes = read("/images/json", query), read("/volumes", query).get("Volumes")
    return used, images or (), volumes or ()


def list_containers(used: Json, inspected: Iterable[ContainerInfo]) -> Iterator[PrunableItem]:
    """The stopped containers in `inspected`, with their sizes. Names and labels are those of the inspection:
    Podman's disk usage has no labels, and a label may protect a container."""
    sizes = {row["Id"]: row.get("SizeRw") for row in used.get("Containers") or ()}
    for info in inspected:
        if info.status in STOPPED_STATES and not info.is_infra:
            ref, since = info.ref, max(info.finished_at, info.created_at)
            yield _make_item(PrunableKind.CONTAINER, ref.id, ref.name, ref.labels, sizes.get(ref.id), since)


def list_images(used: Json, label_filters: Sequence[str], dangling: Iterable[Json]) -> Iterator[PrunableItem]:
    """The `dangling` images without a name that no container uses. Layers shared with other images stay when
    an image is removed."""
    usage = {_strip_algorithm(row["Id"]): row for row in used.get("Images") or ()}
    for row in dangling:
        names = {*(row.get("RepoTags") or ()), *(row.get("RepoDigests") or ())}
        use = usage.get(_strip_algorithm(row["Id"]), {})
        if not _is_untagged(names) or use.get("Containers") != 0:
            continue
        labels = row.get("Labels") or {}
        if _has_labels(labels, label_filters):
            size = (use.get("Size") or 0) - max(0, use.get("SharedSize") or 0)
            yield _make_item(PrunableKind.IMAGE, row["Id"], "", labels, size, row.get("Created") or 0.0)


def list_volumes(
    used: Json, label_filters: Sequence[str], dangling: Iterable[Json]
) -> Iterator[PrunableItem]:
    """The `dangling` volumes on this host's disk without a container. Other drivers store data elsewhere."""
    usage = {row["Name"]: row.get("UsageData") or {} for row in used.get("Volumes") or ()}
    for row in dangling:
        name, labels = row["Name"], row.get("Labels") or {}
        use = usage.get(name, {})
        if use.get("RefCount") != 0 or row.get("Driver") != "local" or row.get("Options"):
            continue
        if _has_labels(labels, label_filters):
            since = parse_seconds(row.get("CreatedAt"))
            yield _make_item(PrunableKind.VOLUME, name, name, labels, use.get("Size"), since)


def _is_untagged(names: Iterable[str]) -> bool:
    """Podman lists a dangling image with the digest of an image without a name."""
    return all(name in UNTAGGED_NAMES or name.startswith("<none>@") for name in names)


def _strip_algorithm(image_id: str) -> str:
    """The id of an image as Podman's disk usage has it."""
    return image_id.removeprefix("sha256:")


def list_build_cache(used: Json, label_filters: Sequence[str]) -> Iterator[PrunableItem]:
    """The whole build cache as one item: its records depend on each other.

    Data shared with images is not freed.
    """
    unused = [row for row in used.get("BuildCache") or () if not row.get("InUse") and not row.get("Shared")]
    if unused and not label_filters:
        size = sum(row.get("Size") or 0 for row in unused)
        yield PrunableItem(what=PrunableKind.BUILD_CACHE, size=size)


def _has_labels(labels: Mapping[str, str], label_filters: Sequence[str]) -> bool:
    """Whether `labels` match all `label_filters`, each `key` or `key=value`."""
    return {*label_filters} <= {*labels, *(f"{key}={value}" for key, value in labels.items())}


def _make_item(
    kind: PrunableKind, identity: str, name: str, labels: Mapping[str, str], size: int | None, since: float
) -> PrunableItem:
    return PrunableItem(
        what=kind,
        id=identity,
        name=bounds.shorten_identifier(name, bounds.MAX_NAME_CHARACTERS),
        size=bounds.clamp_int(size),
        since=bounds.clamp_float(since, MAX_TIME),
        labels=select_labels(labels),
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
