"""The requests that each role sends to the engine, by what they are for.

The socket proxy of `docs/engine-proxy` and the table of docs/SECURITY.md are generated from here, and
`hemostat doctor` names from here what does not work without a request.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple


class EngineUse(NamedTuple):
    """`endpoints`: method and path without the API version; `ID` stands for an id or a name. Only the removal
    of a container with its volumes has a query, which a proxy may refuse. `loss`: what does not work without
    one of them."""

    name: str
    roles: tuple[str, ...]
    endpoints: tuple[str, ...]
    loss: str
    gives_root: bool = False
    """Whether a sender of these requests can become root on the host. No proxy should allow them unless
    the use is wanted."""
    podman_only: bool = False


ALL_ROLES: Final = ("monitor", "analyzer", "responder")
READING_ROLES: Final = frozenset({"monitor", "analyzer"})
RESPONDER: Final = ("responder",)

CONTAINERS: Final = EngineUse(
    "containers",
    ALL_ROLES,
    ("GET /containers/json", "GET /containers/ID/json"),
    "no container is watched, and no action runs",
)
EVENTS: Final = EngineUse(
    "events",
    ("monitor",),
    ("GET /events",),
    "deaths are found by a list once a minute, and stops by people are not recognized",
)
VERSION: Final = EngineUse(
    "version",
    ALL_ROLES,
    ("GET /version",),
    "API 1.41 is assumed, and doctor does not name the engine's version",
)
HOST: Final = EngineUse(
    "host",
    ("monitor", "responder"),
    ("GET /info",),
    "memory and CPUs of a remote engine's host are unknown, and its clock is not compared",
)
STATS: Final = EngineUse(
    "stats",
    ("monitor", "responder"),
    ("GET /containers/ID/stats",),
    "CPU and memory of containers are not measured where their cgroup files cannot be read",
)
LOGS: Final = EngineUse(
    "logs",
    ("analyzer", "responder"),
    ("GET /containers/ID/logs",),
    "evidence contains no log, and the dashboard shows none",
)
PROCESSES: Final = EngineUse(
    "processes", ("analyzer", "responder"), ("GET /containers/ID/top",), "evidence contains no processes"
)
STOP_MARKS: Final = EngineUse(
    "stops of Podman",
    ("monitor",),
    ("GET /libpod/containers/ID/json",),
    "an exit is handled 3 s later, because the mark of a requested stop cannot be read",
    podman_only=True,
)
RESTART: Final = EngineUse("restart", RESPONDER, ("POST /containers/ID/restart",), "no action `restart`")
START: Final = EngineUse("start", RESPONDER, ("POST /containers/ID/start",), "no action `start`")
STOP: Final = EngineUse("stop", RESPONDER, ("POST /containers/ID/stop",), "no action `stop`")
LIMITS: Final = EngineUse(
    "limits", RESPONDER, ("POST /containers/ID/update",), "no action `scale` of a memory or CPU limit"
)
COMMANDS: Final = EngineUse(
    "commands",
    RESPONDER,
    ("POST /containers/ID/exec", "POST /exec/ID/start", "GET /exec/ID/json"),
    "no action `exec`, and no `cleanup` in a container",
)
CLEANUP: Final = EngineUse(
    "cleanup of the host",
    RESPONDER,
    (
        "GET /system/df",
        "GET /images/json",
        "GET /volumes",
        "DELETE /containers/ID",
        "DELETE /images/ID",
        "DELETE /volumes/ID",
        "POST /build/prune",
    ),
    "no `cleanup` of the host",
)
COMPOSE_REPLICAS: Final = EngineUse(
    "replicas of Compose",
    RESPONDER,
    (
        "POST /containers/create",
        "GET /images/ID/json",
        "POST /networks/ID/connect",
        "DELETE /containers/ID?v=1",
    ),
    "no action `scale` of a Compose service (`hemostat.scale.max`)",
    gives_root=True,
)
SWARM_REPLICAS: Final = EngineUse(
    "replicas of Swarm",
    RESPONDER,
    ("GET /services/ID", "GET /tasks", "POST /services/ID/update"),
    "no action `scale` of a Swarm service (`hemostat.scale.max`)",
    gives_root=True,
)

ENGINE_USES: Final = (
    CONTAINERS,
    EVENTS,
    VERSION,
    HOST,
    STATS,
    LOGS,
    PROCESSES,
    STOP_MARKS,
    RESTART,
    START,
    STOP,
    LIMITS,
    COMMANDS,
    CLEANUP,
    COMPOSE_REPLICAS,
    SWARM_REPLICAS,
)
ACTIONS: Final = (RESTART, START, STOP, LIMITS, COMMANDS)
"""Without all of these, no action on a container can run."""


def is_reading(use: EngineUse) -> bool:
    """Return whether a role that changes nothing sends these requests."""
    return not READING_ROLES.isdisjoint(use.roles)


def make_proxy_settings(endpoints: Iterable[str]) -> list[str]:
    """Return the variables of Tecnativa's docker-socket-proxy that allow the `endpoints`, in their order."""
    methods, paths = zip(*(each.split(" ") for each in endpoints), strict=True)
    sections = [path.removeprefix("/libpod").split("/")[1].upper() for path in paths]
    return [f"{name}=1" for name in dict.fromkeys([*sections, *(["POST"] if set(methods) - {"GET"} else [])])]
