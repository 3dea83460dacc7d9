"""The differences between Podman's Docker API and Docker's."""

import re
from collections.abc import Mapping
from typing import Any, Final

SERVER_NAME: Final = "Libpod"
"""Podman's name in the header `Server`."""
ENGINE_NAME: Final = "Podman Engine"
"""Podman's name among the components of its version."""
LIBPOD_API: Final = "/v4.0.0/libpod"
"""Podman's own API, whose inspection has fields that the Docker API lacks."""
LIBPOD_PATH: Final = "/libpod"
"""The same, below the version of the Docker API."""
LIBPOD_FIELD: Final = "Libpod"
"""Where HemoStat keeps Podman's own inspection of a container in that of the Docker API. Empty where a proxy
forbids Podman's own API; Docker's inspection lacks the field."""
SWAPPINESS_FIELD: Final = "MemorySwappiness"
VERSION_HEADER: Final = "Libpod-Api-Version"
MARKS_STOPS_SINCE: Final = (4, 7)
CLEANUP: Final = "cleanup"
"""Podman's event after the end of a process."""
CHECK_ACTIONS: Final = ("kill", "restart", "stop")
ACTION_ALIASES: Final = {"died": "die", "remove": "destroy"}
"""Podman's names of actions in events."""
PREPARED_STATUS: Final = "initialized"
"""Podman's state of a container whose process is prepared and not started."""
ENDED_STATUS: Final = "stopped"
"""Podman's state of a container whose process has ended, until Podman has cleaned up. Only then the restart
policy applies."""

REDUNDANT_START_PATTERN: Final = re.compile(r"container [0-9a-f]{64}: container is running$")


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether the answer to `/version` is Podman's. Docker's first component is `Engine`."""
    names = {str(each.get("Name")) for each in version.get("Components") or () if isinstance(each, Mapping)}
    return ENGINE_NAME in names


def is_podman_answer(headers: Mapping[str, str]) -> bool:
    return (headers.get("Server") or "").startswith(SERVER_NAME)


def drop_unset_swappiness(inspected: Mapping[str, Any], host: dict[str, Any]) -> None:
    """Delete the swappiness from `host`, the inspection's configuration, if it is Podman's number for one
    that was not set. A new container with that number sets it, and does not start with cgroup v2, which has
    no such setting."""
    if LIBPOD_FIELD in inspected and not host.get(SWAPPINESS_FIELD):
        host.pop(SWAPPINESS_FIELD, None)


def is_infra(inspected: Mapping[str, Any]) -> bool:
    """Whether Podman created the container for itself.

    It holds the namespaces of a pod, or is the service container of `podman kube play`. The Docker API does
    not show that, and names and images do not prove it.
    """
    own = inspected.get(LIBPOD_FIELD) or {}
    return bool(own.get("IsInfra") or own.get("IsService"))


def read_check_action(inspected: Mapping[str, Any]) -> str:
    """What Podman (since 4.3) does to an unhealthy container; empty for nothing."""
    own = inspected.get(LIBPOD_FIELD) or {}
    action = (own.get("Config") or {}).get("HealthcheckOnFailureAction")
    return action if action in CHECK_ACTIONS else ""


def marks_stops(headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers shows requested stops. A false field is left out."""
    version = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", headers.get(VERSION_HEADER) or "")
    return version is not None and (int(version[1]), int(version[2])) >= MARKS_STOPS_SINCE


def translate_status(status: str, *, has_restart: bool = False) -> str:
    """Docker's name of a container's state. `has_restart`: the restart policy applies to the last exit."""
    if status == ENDED_STATUS:
        return "restarting" if has_restart else "exited"
    return "created" if status == PREPARED_STATUS else status


def drop_redundant_start(error: str) -> str:
    """The error of a container's last start; empty if it only says that the container was running already.

    Podman stores that answer to a superfluous request with the container, where it outlives the process.
    """
    return "" if REDUNDANT_START_PATTERN.search(error) else error
