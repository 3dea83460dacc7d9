"""Where a container is in the engine's networks, by its inspection: each kind of value bounded in number."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from hemostat.core import bounds

ENGINE_NETWORKS: Final = frozenset({"bridge", "host", "none", "podman"})
"""On which containers are that were put on no other."""
MAX_ADDRESS_CHARACTERS: Final = 64
MAX_PORTS: Final = 10_000
MAX_PORT: Final = 65_535
PORT: Final = re.compile(r"[0-9]{1,5}")

Json = Mapping[str, Any]


def address(network: Json) -> str:
    """IPv4 before IPv6; empty where the container has none."""
    return next(iter(addresses(network, "IPAddress") + addresses(network, "GlobalIPv6Address")), "")


def addresses(network: Json, *names: str) -> tuple[str, ...]:
    found = (each.get(name) for each in _endpoints(network) for name in names)
    return bounds.texts(list(filter(None, found)), MAX_ADDRESS_CHARACTERS)


def _endpoints(network: Json) -> list[Json]:
    return [each or {} for each in islice((network.get("Networks") or {}).values(), bounds.MAX_ITEMS)]


def names(network: Json) -> tuple[str, ...]:
    """Of the networks that somebody has made."""
    return tuple(sorted(_identities(set(network.get("Networks") or ()) - ENGINE_NETWORKS)))


def _identities(values: Iterable[object]) -> list[str]:
    return [
        bounds.identity(each, bounds.MAX_NAME_CHARACTERS) for each in islice(values, bounds.MAX_ITEMS) if each
    ]


def joined(host: Json) -> tuple[str, ...]:
    """The containers whose namespaces it shares, by id or name."""
    modes = (host.get(name) or "" for name in ("NetworkMode", "PidMode", "IpcMode"))
    shared = [mode.partition(":")[2] for mode in modes if mode.startswith("container:")]
    return tuple(dict.fromkeys(_identities(shared)))


def host_paths(host: Json, mounts: Sequence[Json]) -> tuple[tuple[str, str], ...]:
    """Sources of bind mounts and devices, and where they are in the container."""
    binds = [(each.get("Source"), each.get("Destination")) for each in mounts if each.get("Type") == "bind"]
    devices = [(each.get("PathOnHost"), "") for each in host.get("Devices") or ()]
    pairs = (binds + devices)[: bounds.MAX_ITEMS]
    return tuple((_path(source), _path(target)) for source, target in pairs if source)


def _path(value: object) -> str:
    return bounds.text(value, bounds.MAX_PATH_CHARACTERS)


def published(network: Json) -> tuple[int, ...]:
    """TCP ports of the host. `Ports` is null for a port that is exposed and not published."""
    ports = (network.get("Ports") or {}).items()
    bound = (each for port, bindings in ports if port.endswith("/tcp") for each in bindings or ())
    found = {_port(each.get("HostPort")) for each in islice(bound, MAX_PORTS)}
    return tuple(sorted(found - {0}))


def _port(text: object) -> int:
    """0 for what is no port."""
    is_number = (
        isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT))
    )
    return bounds.whole(int(str(text)), MAX_PORT) if is_number else 0
