"""Reads the version and properties of the engine and its host.

Where a proxy forbids asking the engine, this host's own values are used if the engine runs here.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import docker

from hemostat.adapters.docker_engine import parse, podman_api
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.adapters.docker_engine.failures import translate_malformed
from hemostat.adapters.docker_engine.location import read_location
from hemostat.errors import EngineForbiddenError
from hemostat.ports import EngineVersion

DEFAULT_ROOT: Final = "/var/lib/docker"
"""dockerd's default data directory."""

Json = Mapping[str, Any]
Ask = Callable[[docker.APIClient], Json]


def read_version(connection: ClientPool, root: Path = Path("/")) -> EngineVersion:
    """`root`: the directory that contains this host's /proc and /sys."""
    location = read_location(connection, root)
    local = location.is_local
    version, no_version = _ask(connection, lambda client: client.version())
    info, no_info = _ask(connection, lambda client: client.info())
    with connection.lend_client("version") as client:
        api_version = client.api_version
    with translate_malformed("version"):
        return EngineVersion(
            version=version.get("Version") or "of unknown version",
            is_podman=podman_api.is_podman(version),
            api=version.get("ApiVersion") or api_version,
            name=info.get("Name") or "",
            root=info.get("DockerRootDir") or DEFAULT_ROOT,
            cgroup_version=info.get("CgroupVersion")
            or (_find_cgroup_version(root) if local and no_info else "1"),
            cpus=int(info.get("NCPU") or (os.cpu_count() if local else 0) or 0),
            memory=int(info.get("MemTotal") or (_read_memory(root) if local else 0)),
            local=local,
            process=location.process,
            address=connection.shown_url,
            risk="" if local else connection.risk,
            time=parse.parse_seconds(info.get("SystemTime")),
            forbidden=tuple(filter(None, (no_version, no_info))),
        )


def _ask(connection: ClientPool, ask: Ask) -> tuple[Json, str]:
    """The answer, and the error if a proxy forbids the call."""
    try:
        with connection.lend_client("version") as client, translate_malformed("version"):
            return dict(ask(client)), ""
    except EngineForbiddenError as error:
        return {}, str(error)


def _find_cgroup_version(root: Path) -> str:
    return "2" if (root / "sys/fs/cgroup/cgroup.controllers").exists() else "1"


def _read_memory(root: Path) -> int:
    """Bytes. 0 if this host does not report them."""
    try:
        first = (root / "proc/meminfo").read_text().split("\n", 1)[0].split()
        return int(first[1]) * 1024 if first[0] == "MemTotal:" else 0
    except (OSError, ValueError, IndexError):
        return 0
