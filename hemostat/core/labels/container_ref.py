"""Builds the reference by which events name a container, from the engine's data, bounded in number and
length, and masks the labels of the reference before an event shows them.

Only labels that HemoStat reads are kept: its own, labels that were probably meant as one of its own, and
those of compose and of orchestrators that name a workload. Other labels may hold secrets. A container may
have hundreds of thousands of labels, and the engine sends all of them with each event.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final

import msgspec

from hemostat.core import bounds
from hemostat.core.labels.definitions import LABEL_PREFIX, LABELS
from hemostat.core.labels.mistakes import TOO_LONG, is_meant_for_hemostat
from hemostat.core.redact import redact_environment
from hemostat.events import Container

DEFAULT_REGISTRY: Final = "docker.io/"
DEFAULT_NAMESPACE: Final = "library/"
SYSTEMD_UNIT_LABEL: Final = "PODMAN_SYSTEMD_UNIT"
"""Podman's label of a container that a systemd unit runs. The value is the name of the unit."""
COMPOSE_DEPENDS_ON_LABEL: Final = "com.docker.compose.depends_on"
DOCKER_PREFIX: Final = "com.docker."

_COMPOSE_LABELS: Final = (
    *("project", "service", "container-number", "oneoff", "config-hash", "image"),
    *("project.working_dir", "project.config_files"),
)
_SWARM_LABELS: Final = ("service.id", "service.name", "task.id", "task.name", "node.id")
_POD_LABELS: Final = ("name", "namespace", "uid")
OWNER_LABELS: Final = frozenset(
    (
        *(f"com.docker.compose.{name}" for name in _COMPOSE_LABELS),
        *(f"com.docker.swarm.{name}" for name in _SWARM_LABELS),
        "com.docker.stack.namespace",
        *(f"io.kubernetes.pod.{name}" for name in _POD_LABELS),
        *("io.kubernetes.container.name", "annotation.io.kubernetes.container.hash"),
        "io.podman.compose.config-hash",
        *("com.hashicorp.nomad.alloc_id", "com.hashicorp.nomad.task_name"),
        *("com.amazonaws.ecs.task-arn", "com.amazonaws.ecs.task-definition-family"),
        "com.amazonaws.ecs.container-name",
        *("io.balena.supervised", "io.balena.service-name", "io.hass.type", "io.hass.name"),
        SYSTEMD_UNIT_LABEL,
    )
)
"""Labels that name a container's owner or its place in a project."""

MAX_OWNER_CHARACTERS: Final = 256
MAX_NEEDS_CHARACTERS: Final = 2048
MAX_UNKNOWN_LABELS: Final = 20
MAX_UNKNOWN_CHARACTERS: Final = 120
"""Characters of the name and of the value of a label that was probably meant as one of HemoStat's."""
MAX_COMPARED_LABELS: Final = 500
"""Number of other labels of one container whose names are compared with HemoStat's, which takes time."""


def build_reference(
    container_id: str, name: str, image: str, labels: Mapping[str, str], group: str = ""
) -> Container:
    """Return the reference of a container. `group`: a label that is left out, because it tells nothing about
    this container."""
    selected_labels = select_labels(labels)
    selected_labels.pop(group, None)
    return Container(
        id=bounds.shorten_identifier(container_id, bounds.MAX_ID_CHARACTERS),
        name=bounds.limit_container_name(name.removeprefix("/")),
        image=bounds.shorten_identifier(shorten_image_name(image), bounds.MAX_IMAGE_CHARACTERS),
        labels=selected_labels,
    )


def shorten_image_name(image: str) -> str:
    """Return the image's name as Docker shows it: `docker.io/library/redis:7` is `redis:7`. Podman shows the
    whole name."""
    familiar = image.removeprefix(DEFAULT_REGISTRY)
    return image if familiar == image else familiar.removeprefix(DEFAULT_NAMESPACE)


def select_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that HemoStat reads of a container, a service, an image or a volume."""
    known_labels = {name: _limit_known_value(name, labels[name]) for name in labels if name in LABELS}
    owner = {
        name: bounds.shorten_identifier(labels[name], MAX_OWNER_CHARACTERS)
        for name in labels
        if name in OWNER_LABELS
    }
    if COMPOSE_DEPENDS_ON_LABEL in labels:
        owner[COMPOSE_DEPENDS_ON_LABEL] = bounds.limit_text(
            labels[COMPOSE_DEPENDS_ON_LABEL], MAX_NEEDS_CHARACTERS
        )
    unknown = {
        bounds.shorten_identifier(name, MAX_UNKNOWN_CHARACTERS): bounds.limit_text(
            labels[name], MAX_UNKNOWN_CHARACTERS
        )
        for name in islice(_find_unknown(labels), MAX_UNKNOWN_LABELS)
    }
    return {**known_labels, **owner, **unknown}


def _limit_known_value(name: str, value: str) -> str:
    """Keep one character more than can be read of a value that is too long, so that a cut label is not taken
    for another value."""
    return bounds.limit_text(value, LABELS[name].max_characters + 1)


def _find_unknown(labels: Mapping[str, str]) -> Iterator[str]:
    """Yield names under HemoStat's prefix first, then names that are similar to one of its labels."""
    yield from (name for name in labels if name.startswith(LABEL_PREFIX) and name not in LABELS)
    other_names = (name for name in labels if not name.startswith(LABEL_PREFIX) and name not in OWNER_LABELS)
    compared_names = islice(other_names, MAX_COMPARED_LABELS)
    yield from (name for name in compared_names if name not in LABELS and is_meant_for_hemostat(name))


def keep_short_labels(container: Container, most: int) -> Container:
    """Return the container with labels of at most `most` characters in total, the shortest first."""
    lengths = {name: len(name) + len(value) for name, value in container.labels.items()}
    if sum(lengths.values()) <= most:
        return container
    kept, size = set[str](), 0
    for name in sorted(lengths, key=lambda each: (lengths[each], each)):
        size += lengths[name]
        if size > most:
            break
        kept.add(name)
    return msgspec.structs.replace(
        container, labels={name: value for name, value in container.labels.items() if name in kept}
    )


def mask_labels(ref: Container) -> Container:
    """Return the container with masked labels, for events only. Commands to run are read from the engine. A
    label that names a command or an address to call may hold a secret. So may a value written to the wrong
    label, and an unknown label."""
    masked = {
        name: _mask_value(name, text)
        for name, text in ref.labels.items()
        if not name.startswith(DOCKER_PREFIX)
    }
    return msgspec.structs.replace(ref, labels={**ref.labels, **masked}) if masked else ref


@lru_cache(maxsize=1024)
def _mask_value(name: str, text: str) -> str:
    """Return the masked value. A secret in a value that was cut may no longer be recognizable, so such a
    value is masked whole."""
    longest = LABELS[name].max_characters if name in LABELS else MAX_UNKNOWN_CHARACTERS - 1
    return TOO_LONG if len(text) > longest else redact_environment({name: text})[name]
