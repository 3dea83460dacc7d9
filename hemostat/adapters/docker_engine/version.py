"""Reads the version and properties of the engine and its host.

Where a proxy forbids asking the engine, this host's own values are used if the engine runs here.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import docker
import msgspec

from hemostat.adapters.docker_engine import parse, podman_api
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.adapters.docker_engine.failures import translate_malformed
from hemostat.adapters.docker_engine.location import EngineLocation, is_in_container, read_location
from hemostat.core import bounds
from hemostat.errors import EngineForbiddenError
from hemostat.ports import EngineVersion
from hemostat.ports.engine import CPU_LIMIT, MEMORY_LIMIT, PIDS_LIMIT

DEFAULT_ROOT: Final = "/var/lib/docker"
"""dockerd's default data directory."""
ROOTLESS_OPTION: Final = "name=rootless"
ROOTLESS_FIELD: Final = "Rootless"
"""Podman's own, which lacked the option before 5.0."""
NO_CGROUPS: Final = "none"
"""Docker's driver of cgroups where it may not create any."""
LIMIT_FIELDS: Final = {MEMORY_LIMIT: "MemoryLimit", CPU_LIMIT: "CpuCfsQuota", PIDS_LIMIT: "PidsLimit"}

Json = Mapping[str, Any]
Ask = Callable[[docker.APIClient], Json]


def read_version(
    connection: ClientPool, root: Path = Path("/"), earlier: EngineVersion | None = None
) -> EngineVersion:
    """`root`: the directory that contains this host's /proc and /sys. `earlier`: a former answer, of which
    only the location is asked for again. Other requests are expensive: Podman asks the package manager.
    """
    location = read_location(connection, root)
    if earlier is not None and not earlier.forbidden:
        return msgspec.structs.replace(earlier, **_describe_location(location, connection, root, earlier))
    local = location.is_local
    version, no_version = _ask(connection, lambda client: client.version())
    info, no_info = _ask(connection, lambda client: client.info())
    with connection.lend_client("version") as client:
        api_version = client.api_version
    with translate_malformed("version"):
        is_podman, rootless = podman_api.is_podman(version), is_rootless(info)
        cgroup_version = _read_word(info.get("CgroupVersion")) or (
            _find_cgroup_version(root) if local and no_info else "1"
        )
        answer = EngineVersion(
            version=_read_word(version.get("Version")) or "of unknown version",
            is_podman=is_podman,
            api=_read_word(version.get("ApiVersion")) or api_version,
            name=bounds.limit_text(info.get("Name"), bounds.MAX_NAME_CHARACTERS),
            root=bounds.limit_text(info.get("DockerRootDir"), bounds.MAX_PATH_CHARACTERS) or DEFAULT_ROOT,
            cgroup_version=cgroup_version,
            cpus=bounds.clamp_int(
                info.get("NCPU") or (os.cpu_count() if local else 0), int(bounds.MAX_CORES)
            ),
            memory=bounds.clamp_int(info.get("MemTotal") or (_read_memory(root) if local else 0)),
            rootless=rootless,
            has_cgroups=info.get("CgroupDriver") != NO_CGROUPS and not (rootless and cgroup_version == "1"),
            missing_limits=tuple(name for name, field in LIMIT_FIELDS.items() if info.get(field) is False),
            address=connection.shown_url,
            time=parse.parse_seconds(info.get("SystemTime")),
            forbidden=tuple(filter(None, (no_version, no_info))),
        )
    return msgspec.structs.replace(answer, **_describe_location(location, connection, root, answer))


def _describe_location(
    location: EngineLocation, connection: ClientPool, root: Path, version: EngineVersion
) -> dict[str, Any]:
    """The fields of an EngineVersion that follow from the location."""
    rootless = version.rootless
    return {
        "local": location.is_local,
        "process": location.process,
        "reaches_host_network": reaches_host_network(
            location, rootless=rootless, is_podman=version.is_podman
        ),
        "reaches_container_networks": reaches_container_networks(
            location, rootless=rootless, in_container=is_in_container(root)
        ),
        "risk": "" if location.is_local else connection.risk,
    }


def is_rootless(info: Json) -> bool:
    options = info.get("SecurityOptions") or ()
    return info.get(ROOTLESS_FIELD) is True or any(
        isinstance(each, str) and each.startswith(ROOTLESS_OPTION) for each in options
    )


def reaches_host_network(location: EngineLocation, *, rootless: bool, is_podman: bool) -> bool | None:
    """Rootless Docker's host network is one of its own, even where the engine itself is in the machine's."""
    return location.shares_network if is_podman or not rootless or location.is_inside else False


def reaches_container_networks(
    location: EngineLocation, *, rootless: bool, in_container: bool
) -> bool | None:
    """The bridges of a rootless engine are in a network namespace of its own. In a container that sees the
    processes of the host, HemoStat may be on a network with others."""
    if location.is_inside:
        return True
    if rootless:
        return False
    return True if in_container and location.is_local else location.shares_network


def _ask(connection: ClientPool, ask: Ask) -> tuple[Json, str]:
    """The answer, and the error if a proxy forbids the call."""
    try:
        with connection.lend_client("version") as client, translate_malformed("version"):
            return dict(ask(client)), ""
    except EngineForbiddenError as error:
        return {}, str(error)


def _read_word(value: object) -> str:
    return bounds.limit_text(value, bounds.MAX_WORD_CHARACTERS)


def _find_cgroup_version(root: Path) -> str:
    return "2" if (root / "sys/fs/cgroup/cgroup.controllers").exists() else "1"


def _read_memory(root: Path) -> int:
    """Bytes. 0 if this host does not report them."""
    try:
        first = (root / "proc/meminfo").read_text().split("\n", 1)[0].split()
        return int(first[1]) * 1024 if first[0] == "MemTotal:" else 0
    except (OSError, ValueError, IndexError):
        return 0
