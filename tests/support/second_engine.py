"""An engine of the test's own, in namespaces of its own: for what must not be done to the machine's."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.errors import EngineError
from tests.support.engine_fixtures import eventually

SCRIPT = 'ip link set lo up && exec "$@"'


@contextmanager
def second_engine() -> Iterator[DockerEngine]:
    """Skips where it cannot be had. Its mounts and bridges go with its namespaces."""
    if os.geteuid() or not all(map(shutil.which, ("dockerd", "unshare", "ip"))):
        pytest.skip("a second engine takes root, dockerd, unshare and ip")
    with tempfile.TemporaryDirectory(prefix="hs-engine-", ignore_cleanup_errors=True) as root:
        daemon = _start(Path(root))
        try:
            engine = _answering(daemon, Path(root))
            yield engine
            engine.close()
        finally:
            daemon.terminate()
            daemon.wait(30)


def _start(root: Path) -> subprocess.Popen[bytes]:
    command = [
        "dockerd",
        f"--data-root={root}/data",
        f"--exec-root={root}/exec",
        f"--pidfile={root}/pid",
        f"--host=unix://{root}/socket",
        "--containerd-namespace=hs-test",
        "--containerd-plugins-namespace=hs-test-plugins",
        "--bridge=none",
        "--iptables=false",
    ]
    with (root / "log").open("wb") as log:
        return subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-c", SCRIPT, "sh", *command], stdout=log, stderr=log
        )


def _answering(daemon: subprocess.Popen[bytes], root: Path) -> DockerEngine:
    engines = []

    def answers() -> bool:
        if daemon.poll() is not None:
            pytest.skip("a second engine does not start here: " + (root / "log").read_text()[-500:])
        try:
            engines.append(DockerEngine.connect(f"unix://{root}/socket"))
        except EngineError:
            return False
        return True

    eventually(answers, seconds=60)
    return engines[0]
