"""The TestContainers port: an image without a registry, and containers for demos and tests."""

import io
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hemostat.adapters.docker_engine.engine import DockerEngine
from hemostat.adapters.docker_engine.parse import NANOS_PER_SECOND
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.ports import ContainerSpec

DIRECTORIES: Final = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777}
PASSWD: Final = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"


class DockerTestContainers:
    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine
        self._connection = engine.connection

    def make_image(self, tag: str, program: str) -> None:
        if self._exists(tag):
            return
        layer = _make_layer(Path(program).read_bytes(), _list_applets(program))
        with self._connection.lend_client(f"import image {tag}") as client:
            # Podman 4 ignores a tag beside the repository.
            client.import_image_from_data(layer, repository=tag if ":" in tag else f"{tag}:latest")
        if not self._exists(tag):
            raise EngineError(f"the engine did not create the image {tag}")

    def _exists(self, tag: str) -> bool:
        with self._connection.lend_client(f"find image {tag}") as client:
            return bool(client.images(name=tag))

    def run(self, spec: ContainerSpec) -> str:
        with self._connection.lend_client(f"create {spec.name}") as client:
            container = str(
                client.create_container(
                    spec.image,
                    list(spec.command),
                    name=spec.name,
                    labels=spec.labels,
                    environment=spec.environment,
                    healthcheck=_make_health_check(spec),
                    host_config=client.create_host_config(**_make_host_config(spec)),
                )["Id"]
            )
        try:
            self._engine.start(container)
        except EngineError:
            self.remove(container)
            raise
        return container

    def find(self, label: str) -> list[ContainerInfo]:
        return self._engine.find({"label": label})

    def remove(self, container: str) -> None:
        with suppress(NoSuchContainerError), self._connection.lend_client(f"remove {container}") as client:
            client.remove_container(container, force=True, v=True)


def _make_health_check(spec: ContainerSpec) -> dict[str, Any] | None:
    if spec.health is None:
        return None
    return {
        "test": ["CMD", *spec.health],
        "interval": NANOS_PER_SECOND,
        "timeout": 2 * NANOS_PER_SECOND,
        "retries": 1,
    }


def _make_host_config(spec: ContainerSpec) -> dict[str, Any]:
    """Memory and swap get the same limit, so that no swap is available."""
    config: dict[str, Any] = {
        "restart_policy": {"Name": spec.restart_policy},
        "network_mode": spec.network,
    }
    if spec.memory is not None:
        config |= {"mem_limit": spec.memory, "memswap_limit": spec.memory}
    if spec.cpus is not None:
        config |= {"nano_cpus": round(spec.cpus * NANOS_PER_SECOND)}
    return config


def _list_applets(program: str) -> list[str]:
    """The names under which busybox can be called."""
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split() if name != "busybox"]


def _make_layer(program: bytes, applets: list[str]) -> bytes:
    """A root filesystem as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in DIRECTORIES.items():
            tar.addfile(_make_entry(name, mode, tarfile.DIRTYPE))
        for name, mode, content in (("bin/busybox", 0o755, program), ("etc/passwd", 0o644, PASSWD)):
            tar.addfile(_make_entry(name, mode, tarfile.REGTYPE, size=len(content)), io.BytesIO(content))
        for name in applets:
            tar.addfile(_make_entry(f"bin/{name}", 0o777, tarfile.SYMTYPE, target="busybox"))
    return buffer.getvalue()


def _make_entry(name: str, mode: int, kind: bytes, *, size: int = 0, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.size, entry.linkname = mode, kind, size, target
    return entry
