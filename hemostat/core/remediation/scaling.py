"""How far a limit is raised, and when it comes back down.

By half, up to the ceiling: the container's own label or the setting, the lower of both where both are given,
and never above the host's. What has no limit cannot be raised, and what has no ceiling is not: how much is
too much is for its owner to say. A
replica of a swarm's service gets no more CPU, but company; so does one of compose's whose label says how many
there may be.
"""

import math
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
"""Share of the old limit that must suffice before it is put back."""
CALM_SECONDS: Final = 1800.0
"""Seconds that a raised limit stays at least."""
MIB: Final = 1 << 20
LIMIT_TOLERANCE: Final = 1e-3
"""Engines keep CPU limits as whole microseconds of a period: what differs by less is the same limit."""

SWARM_SERVICE_LABEL: Final = "com.docker.swarm.service.id"
COMPOSE_ID_PREFIX: Final = "compose:"
"""Begins the id of a Compose service: `compose:` and its replica_group. Compose itself gives none."""


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """What a limit may be raised to; 0 is none."""

    memory: Bytes = 0
    cpus: float = 0.0


def parse_resource(parameters: Mapping[str, object]) -> Resource:
    """What a request wants more of. Raises NotApplicableError."""
    try:
        return Resource(str(parameters.get("resource")))
    except ValueError:
        raise NotApplicableError("the request does not say what to scale: cpu, memory or replicas") from None


def get_service_id(ref: Container, trust: TrustSettings) -> str | None:
    """Id of the service that the container says it is a replica of."""
    if (swarm := ref.labels.get(SWARM_SERVICE_LABEL)) is not None:
        return swarm
    group = get_replica_group(ref, trust)
    return None if group is None else COMPOSE_ID_PREFIX + group


def split_service_id(service: str) -> tuple[str, str]:
    """Of the id of a Compose service."""
    project, _, name = service.removeprefix(COMPOSE_ID_PREFIX).partition("#")[0].partition("/")
    return project, name


def is_member(ref: Container, service: str) -> bool:
    """Whether the container is a replica of the Compose service of this id."""
    groups = (get_replica_group(ref, trust) for trust in (TRUST_OWN, BELIEVED))
    return service.startswith(COMPOSE_ID_PREFIX) and service.removeprefix(COMPOSE_ID_PREFIX) in groups


def should_add_replicas(ref: Container, what: Resource, trust: TrustSettings) -> bool:
    """Whether it is not the container that gets more, but its service."""
    if get_service_id(ref, trust) is None or what is Resource.MEMORY:
        return False
    return what is Resource.REPLICAS or SWARM_SERVICE_LABEL in ref.labels or REPLICAS_MAX.name in ref.labels


def get_limit(info: ContainerInfo, what: Resource) -> float | None:
    return info.memory_limit if what is Resource.MEMORY else info.cpu_limit


def plan_raised_limit(
    info: ContainerInfo, what: Resource, ceilings: Ceilings, host: Ceilings, now: float
) -> RaisedLimit:
    """The next limit of one container. `host` is what the host has, 0 where that is not known. Raises
    NotApplicableError."""
    if what is Resource.REPLICAS:
        raise NotApplicableError("it is of no service, which could have more replicas")
    before = get_limit(info, what)
    if before is None:
        raise NotApplicableError(f"it has no {what} limit that could be raised")
    most = _find_ceiling(info.ref.labels, what, ceilings)
    most = min(most, (host.memory if what is Resource.MEMORY else host.cpus) or most)
    after = min(_round_up(before * RAISE_FACTOR, what), most)
    if after <= before:
        raise NotApplicableError(
            f"its {what} limit is {format_amount(before, what)}, the ceiling {format_amount(most, what)}"
        )
    return RaisedLimit(container=info.ref.id, resource=what, before=before, after=after, time=now)


def plan_more_replicas(info: ContainerInfo, group: Service, now: float) -> RaisedLimit:
    """The next number of replicas. Labels of the service count before those of its containers; of Compose's
    they are those of the replica that is copied. Raises NotApplicableError."""
    labels = group.labels if group.id.startswith(COMPOSE_ID_PREFIX) else {**info.ref.labels, **group.labels}
    most, before = _read_label(labels, REPLICAS_MAX), group.replicas
    if before is None:
        raise NotApplicableError(f"service {group.name} runs once on every node")
    if most is None:
        raise NotApplicableError(f"no label {REPLICAS_MAX.name} says how many replicas {group.name} may have")
    wanted = max(math.ceil(before * RAISE_FACTOR), before + 1, _read_label(labels, REPLICAS_MIN) or 0)
    after = min(wanted, most)
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
    """Whether the limit is still what it was raised to; if not, somebody else has decided since."""
    return current is not None and math.isclose(current, scaled.after, rel_tol=LIMIT_TOLERANCE)


def should_restore_limit(
    scaled: RaisedLimit, current: float | None, usage: float | None, now: float, calm: float = CALM_SECONDS
) -> bool:
    """Whether the old limit may be put back. `current` is the limit now; `usage` the working set in bytes,
    the cores in use, or the replicas' worth of work; what is not known (None) puts nothing back."""
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
    """How many replicas' worth of work a service has: those seen here stand for the others. `cores` are what
    each uses; one without a limit is taken to be worth a core."""
    shares = [used / (info.cpu_limit or 1.0) for info, used in zip(members, cores, strict=True)]
    return replicas * sum(shares) / len(shares)


def compute_restored_limit(scaled: RaisedLimit, labels: Mapping[str, str]) -> float:
    """What it goes back to: what it was, but never below the smallest number of replicas."""
    least = _read_label(labels, REPLICAS_MIN) if scaled.resource is Resource.REPLICAS else None
    return max(scaled.before, least or 0)


def format_amount(amount: float, what: Resource) -> str:
    return show_size(amount) if what is Resource.MEMORY else f"{amount:g}"


def describe_raise(scaled: RaisedLimit) -> str:
    """`memory 64.0 MiB → 96.0 MiB`, `cpu 0.5 → 0.8`, `replicas 2 → 3`."""
    before, after = (format_amount(amount, scaled.resource) for amount in (scaled.before, scaled.after))
    return f"{scaled.resource} {before} → {after}"


def _round_up(amount: float, what: Resource) -> float:
    """Up to whole MiB, or tenths of a core."""
    if what is Resource.MEMORY:
        return math.ceil(amount / MIB) * MIB
    return math.ceil(round(amount * 10, 6)) / 10


def _find_ceiling(labels: Mapping[str, str], what: Resource, ceilings: Ceilings) -> float:
    memory = what is Resource.MEMORY
    name, default = (MEMORY_MAX.name, ceilings.memory) if memory else (CPU_MAX.name, ceilings.cpus)
    labelled = _read_label(labels, MEMORY_MAX) if memory else _read_label(labels, CPU_MAX)
    most = default if labelled is None else min(labelled, default or labelled)
    if not 0 < most < math.inf:
        raise NotApplicableError(f"no ceiling: neither label {name} nor a setting gives one")
    return most


def _read_label(labels: Mapping[str, str], label: Label[T]) -> T | None:
    """None without the label. Raises NotApplicableError where it cannot be read."""
    value = label.of(labels)
    if value is None and label.name in labels:
        raise NotApplicableError(f"label {label.name} cannot be read: {quote_text(labels[label.name])}")
    return value
