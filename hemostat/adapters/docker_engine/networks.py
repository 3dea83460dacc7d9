"""Reads a container's networks, ports and mounts from its inspection. Each list is bounded in length."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from hemostat.core import bounds
from hemostat.core.model import PortBinding

ENGINE_NETWORKS: Final = frozenset({"bridge", "host", "none", "podman"})
"""Networks that the engine has by default. Containers without another network are on them."""
MAX_ADDRESS_CHARACTERS: Final = 64
MAX_PORTS: Final = 10_000
MAX_PORT: Final = 65_535

Json = Mapping[str, Any]


def read_address(network: Json) -> str:
    """The container's address, IPv4 before IPv6. Empty without an address."""
    return next(iter(read_addresses(network, "IPAddress") + read_addresses(network, "GlobalIPv6Address")), "")


def read_addresses(network: Json, *names: str) -> tuple[str, ...]:
    addresses = (each.get(name) for each in _list_endpoints(network) for name in names)
    return bounds.limit_texts(list(filter(None, addresses)), MAX_ADDRESS_CHARACTERS)


def _list_endpoints(network: Json) -> list[Json]:
    return [each or {} for each in islice((network.get("Networks") or {}).values(), bounds.MAX_ITEMS)]


def read_network_names(network: Json) -> tuple[str, ...]:
    """The networks that a user created."""
    return tuple(sorted(_read_identities(set(network.get("Networks") or ()) - ENGINE_NETWORKS)))


def _read_identities(values: Iterable[object]) -> list[str]:
    return [
        bounds.shorten_identifier(each, bounds.MAX_NAME_CHARACTERS)
        for each in islice(values, bounds.MAX_ITEMS)
        if each
    ]


def find_shared_namespaces(host: Json) -> tuple[str, ...]:
    """The containers whose namespaces this container shares, by id or name."""
    modes = (host.get(name) or "" for name in ("NetworkMode", "PidMode", "IpcMode"))
    shared = [mode.partition(":")[2] for mode in modes if mode.startswith("container:")]
    return tuple(dict.fromkeys(_read_identities(shared)))


def read_host_paths(host: Json, mounts: Sequence[Json]) -> tuple[tuple[str, str], ...]:
    """Sources of bind mounts and devices, and their paths in the container."""
    binds = [(each.get("Source"), each.get("Destination")) for each in mounts if each.get("Type") == "bind"]
    devices = [(each.get("PathOnHost"), "") for each in host.get("Devices") or ()]
    pairs = (binds + devices)[: bounds.MAX_ITEMS]
    return tuple((_read_path(source), _read_path(target)) for source, target in pairs if source)


def _read_path(value: object) -> str:
    return bounds.limit_text(value, bounds.MAX_PATH_CHARACTERS)


def read_bindings(network: Json) -> tuple[PortBinding, ...]:
    """Published TCP ports. The value is null for a port that is exposed and not published."""
    ports = (network.get("Ports") or {}).items()
    bound = (
        PortBinding(
            _read_port(port.removesuffix("/tcp")),
            bounds.limit_text(each.get("HostIp"), MAX_ADDRESS_CHARACTERS),
            _read_port(each.get("HostPort")),
        )
        for port, bindings in ports
        if port.endswith("/tcp")
        for each in bindings or ()
    )
    return tuple(sorted(each for each in islice(bound, MAX_PORTS) if each.host_port))


def _read_port(text: object) -> int:
    """The port, or 0 if the text is not a port."""
    is_number = (
        isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT))
    )
    return bounds.clamp_int(int(str(text)), MAX_PORT) if is_number else 0
