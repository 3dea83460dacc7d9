"""What the engine says of itself and its host; where it may not be asked, what this host says, if it is the
same one."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import docker

from hemostat.adapters.docker_engine import parse
from hemostat.adapters.docker_engine.connection import ClientPool
from hemostat.adapters.docker_engine.failures import translate_malformed
from hemostat.adapters.docker_engine.peer import find_process
from hemostat.errors import EngineForbiddenError
from hemostat.ports import EngineVersion

DEFAULT_ROOT: Final = "/var/lib/docker"
"""Where dockerd keeps its data unless it is told otherwise."""

Json = Mapping[str, Any]
Ask = Callable[[docker.APIClient], Json]


def read_version(connection: ClientPool, root: Path = Path("/")) -> EngineVersion:
    """`root` is where this host's /proc and /sys are looked for."""
    local = connection.url.startswith(("unix:", "http+unix:"))
    version, no_version = _ask(connection, lambda client: client.version())
    info, no_info = _ask(connection, lambda client: client.info())
    with connection.client("version") as client:
        spoken = client.api_version
    with translate_malformed("version"):
        return EngineVersion(
            version=version.get("Version") or "of unknown version",
            api=version.get("ApiVersion") or spoken,
            name=info.get("Name") or "",
            root=info.get("DockerRootDir") or DEFAULT_ROOT,
            cgroup_version=info.get("CgroupVersion")
            or (_find_cgroup_version(root) if local and no_info else "1"),
            cgroup_driver=info.get("CgroupDriver") or "",
            cpus=int(info.get("NCPU") or (os.cpu_count() if local else 0) or 0),
            memory=int(info.get("MemTotal") or (_read_memory(root) if local else 0)),
            local=local,
            process=find_process(connection.url),
            time=parse.parse_seconds(info.get("SystemTime")),
            forbidden=tuple(filter(None, (no_version, no_info))),
        )


def _ask(connection: ClientPool, ask: Ask) -> tuple[Json, str]:
    """The answer, or why it may not be asked for."""
    try:
        with connection.client("version") as client, translate_malformed("version"):
            return dict(ask(client)), ""
    except EngineForbiddenError as error:
        return {}, str(error)


def _find_cgroup_version(root: Path) -> str:
    return "2" if (root / "sys/fs/cgroup/cgroup.controllers").exists() else "1"


def _read_memory(root: Path) -> int:
    """Bytes; 0 where this host does not say."""
    try:
        first = (root / "proc/meminfo").read_text().split("\n", 1)[0].split()
        return int(first[1]) * 1024 if first[0] == "MemTotal:" else 0
    except (OSError, ValueError, IndexError):
        return 0
