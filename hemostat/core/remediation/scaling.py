"""How far limits are raised, and when they are lowered again.

A limit is raised by half, up to a ceiling: the lower of the container's label and the setting, and at most
what the host has. A resource without a limit cannot be raised. A limit without a ceiling is not raised,
because only the container's owner knows how much is too much. For CPU, a Swarm service gets more replicas
instead of a higher limit. So does a Compose service whose label gives a maximum number of replicas.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from hemostat.core.labels.definitions import CPU_MAX, MEMORY_MAX, REPLICAS_MAX, REPLICAS_MIN, Label
from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, Service
from hemostat.core.settings.trust import TRUST_COMPOSE as BELIEVED
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings, get_replica_group
from hemostat.core.text import quote_text
from hemostat.core.units import Bytes, show_size
from hemostat.errors import NotApplicableError
from hemostat.events import Container

T = TypeVar("T")

RAISE_FACTOR: Final = 1.5
MAX_USED_SHARE: Final = 0.8
"""The old limit is restored if usage is below this share of it."""
CALM_SECONDS: Final = 1800.0
"""Minimum seconds that a raised limit stays."""
MIB: Final = 1 << 20
LIMIT_TOLERANCE: Final = 1e-3
"""Engines store CPU limits as whole microseconds of a period, so smaller differences are the same limit."""

SWARM_SERVICE_LABEL: Final = "com.docker.swarm.service.id"
SWARM_ID_PATTERN: Final = re.compile(r"[a-z0-9]{1,64}")
"""Any user can set the label, and its value becomes a part of a URL of the engine."""
COMPOSE_ID_PREFIX: Final = "compose:"
"""Prefix of a Compose service's id, followed by its replica group. Compose itself gives services no id."""


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """The values to which limits may be raised; 0 means no ceiling."""

    memory: Bytes = 0
    cpus: float = 0.0


def parse_resource(parameters: Mapping[str, object]) -> Resource:
    """The resource that a request wants more of. Raises NotApplicableError."""
    try:
        return Resource(str(parameters.get("resource")))
    except ValueError:
        raise NotApplicableError("the request names no resource: cpu, memory or replicas") from None


def get_service_id(ref: Container, trust: TrustSettings) -> str | None:
    """Return the id of the service of which the container is a replica, according to its labels. A label that
    is not the id of a swarm service names no service."""
    if (swarm := ref.labels.get(SWARM_SERVICE_LABEL)) is not None:
        return swarm if SWARM_ID_PATTERN.fullmatch(swarm) else None
    group = get_replica_group(ref, trust)
    return None if group is None else COMPOSE_ID_PREFIX + group


def split_service_id(service: str) -> tuple[str, str]:
    """Project and name of a Compose service from its id."""
    project, _, name = service.removeprefix(COMPOSE_ID_PREFIX).partition("#")[0].partition("/")
    return project, name


def is_member(ref: Container, service: str) -> bool:
    """Whether the container is a replica of the Compose service with this id."""
    groups = (get_replica_group(ref, trust) for trust in (TRUST_OWN, BELIEVED))
    return service.startswith(COMPOSE_ID_PREFIX) and service.removeprefix(COMPOSE_ID_PREFIX) in groups


def should_add_replicas(ref: Container, resource: Resource, trust: TrustSettings) -> bool:
    """Whether to add replicas to the service instead of raising the container's limit."""
    if get_service_id(ref, trust) is None or resource is Resource.MEMORY:
        return False
    return (
        resource is Resource.REPLICAS or SWARM_SERVICE_LABEL in ref.labels or REPLICAS_MAX.name in ref.labels
    )


def get_limit(info: ContainerInfo, resource: Resource) -> float | None:
    return info.memory_limit if resource is Resource.MEMORY else info.cpu_limit


def plan_raised_limit(
    info: ContainerInfo, resource: Resource, ceilings: Ceilings, host: Ceilings, now: float
) -> RaisedLimit:
    """The next limit of one container. `host` is what the host has, 0 if unknown. Raises
    NotApplicableError."""
    if resource is Resource.REPLICAS:
        raise NotApplicableError("it belongs to no service, so it cannot have replicas")
    before = get_limit(info, resource)
    if before is None:
        raise NotApplicableError(f"it has no {resource} limit to raise")
    most = _find_ceiling(info.ref.labels, resource, ceilings)
    most = min(most, (host.memory if resource is Resource.MEMORY else host.cpus) or most)
    after = min(_round_up(before * RAISE_FACTOR, resource), most)
    if after <= before:
        raise NotApplicableError(
            f"its {resource} limit is {format_amount(before, resource)}, "
            f"the ceiling {format_amount(most, resource)}"
        )
    return RaisedLimit(container=info.ref.id, resource=resource, before=before, after=after, time=now)


def plan_more_replicas(info: ContainerInfo, group: Service, now: float) -> RaisedLimit:
    """The next number of replicas. For Swarm, labels of the service take precedence over labels of its
    containers. For Compose, only the labels of the copied replica count. Raises NotApplicableError."""
    labels = group.labels if group.id.startswith(COMPOSE_ID_PREFIX) else {**info.ref.labels, **group.labels}
    most, before = _read_label(labels, REPLICAS_MAX), group.replicas
    if before is None:
        raise NotApplicableError(f"service {group.name} runs once on every node")
    if most is None:
        raise NotApplicableError(
            f"no label {REPLICAS_MAX.name} sets the maximum number of replicas of {group.name}"
        )
    target = max(math.ceil(before * RAISE_FACTOR), before + 1, _read_label(labels, REPLICAS_MIN) or 0)
    after = min(target, most)
    if after <= before:
        raise NotApplicableError(f"service {group.name} has {before} replicas, the ceiling is {most}")
    return RaisedLimit(
        container=info.ref.id,
        resource=Resource.REPLICAS,
        before=before,
        after=after,
        time=now,
        service=group.id,
    )


def is_still_raised(scaled: RaisedLimit, current: float | None) -> bool:
    """Whether the limit is still the raised one. If not, somebody else has changed it since."""
    return current is not None and math.isclose(current, scaled.after, rel_tol=LIMIT_TOLERANCE)


def should_restore_limit(
    scaled: RaisedLimit, current: float | None, usage: float | None, now: float, calm: float = CALM_SECONDS
) -> bool:
    """Whether the old limit may be restored. `current` is the present limit. `usage` is the working set in
    bytes, the cores in use, or the number of busy replicas. With an unknown value (None) the limit stays."""
    rested = now - scaled.time >= calm
    return (
        rested
        and is_still_raised(scaled, current)
        and usage is not None
        and usage < MAX_USED_SHARE * scaled.before
    )


def estimate_busy_replicas(
    members: Sequence[ContainerInfo], cores: Sequence[float], replicas: float
) -> float:
    """The estimated number of busy replicas of a service, from the members on this host. `cores` are the
    cores that each member uses. A member without a limit counts as limited to one core."""
    shares = [used / (info.cpu_limit or 1.0) for info, used in zip(members, cores, strict=True)]
    return replicas * sum(shares) / len(shares)


def compute_restored_limit(scaled: RaisedLimit, labels: Mapping[str, str]) -> float:
    """The limit to restore: the old one, and for replicas not less than the minimum of the label."""
    least = _read_label(labels, REPLICAS_MIN) if scaled.resource is Resource.REPLICAS else None
    return max(scaled.before, least or 0)


def format_amount(amount: float, resource: Resource) -> str:
    return show_size(amount) if resource is Resource.MEMORY else f"{amount:g}"


def describe_raise(scaled: RaisedLimit) -> str:
    """`memory 64.0 MiB → 96.0 MiB`, `cpu 0.5 → 0.8`, `replicas 2 → 3`."""
    before, after = (format_amount(amount, scaled.resource) for amount in (scaled.before, scaled.after))
    return f"{scaled.resource} {before} → {after}"


def _round_up(amount: float, resource: Resource) -> float:
    """Rounds up to whole MiB, or to tenths of a core."""
    if resource is Resource.MEMORY:
        return math.ceil(amount / MIB) * MIB
    return math.ceil(round(amount * 10, 6)) / 10


def _find_ceiling(labels: Mapping[str, str], resource: Resource, ceilings: Ceilings) -> float:
    memory = resource is Resource.MEMORY
    name, default = (MEMORY_MAX.name, ceilings.memory) if memory else (CPU_MAX.name, ceilings.cpus)
    labelled = _read_label(labels, MEMORY_MAX) if memory else _read_label(labels, CPU_MAX)
    most = default if labelled is None else min(labelled, default or labelled)
    if not 0 < most < math.inf:
        raise NotApplicableError(f"no ceiling: neither the label {name} nor a setting defines one")
    return most


def _read_label(labels: Mapping[str, str], label: Label[T]) -> T | None:
    """The label's value; None without the label. Raises NotApplicableError if the value cannot be parsed."""
    value = label.read_from(labels)
    if value is None and label.name in labels:
        raise NotApplicableError(f"label {label.name} cannot be read: {quote_text(labels[label.name])}")
    return value
