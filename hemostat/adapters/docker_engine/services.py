"""Translates the engine's JSON about the services of a swarm."""

from collections.abc import Mapping, Sequence
from typing import Any

from hemostat.core import bounds
from hemostat.core.labels.container_ref import select_labels
from hemostat.core.model import Service


def parse_service(inspected: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]] = ()) -> Service:
    """The service. Its labels are those of the service and of its containers."""
    spec = inspected["Spec"]
    of_containers = ((spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Labels") or {}
    container_statuses = ((each.get("Status") or {}).get("ContainerStatus") or {} for each in tasks)
    replicated = (spec.get("Mode") or {}).get("Replicated")
    replicas = None if replicated is None else bounds.clamp_int(replicated.get("Replicas", 1))
    return Service(
        id=inspected["ID"],
        name=bounds.shorten_identifier(spec.get("Name"), bounds.MAX_NAME_CHARACTERS),
        replicas=replicas,
        labels=select_labels({**of_containers, **(spec.get("Labels") or {})}),
        members=tuple(each["ContainerID"] for each in container_statuses if each.get("ContainerID")),
    )


def set_spec_replicas(spec: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The service's specification with this number of replicas, and otherwise unchanged."""
    return {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}
