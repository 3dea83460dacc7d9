"""Podman's Docker API of a test's own, from the distribution's package."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.lab.private_engine import is_reachable
from tests.support.lab.waiting import wait_until

SECONDS = 30.0
LIMITS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
"""Podman raises these above what a sandbox allows."""
MAX_LIMIT = 4096


def _format_limit(name: str) -> str:
    limit = min(resource.getrlimit(LIMITS[name])[1] % (1 << 63), MAX_LIMIT)
    return f'"{name}={limit}:{limit}"'


class PrivatePodman:
    """Has a directory, mounts and a network namespace of its own. RuntimeError if it does not start."""

    wrapper: Sequence[str] = ("unshare", "--mount", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
    """The command that starts Podman in its namespaces."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hs-podman-", ignore_cleanup_errors=True)
        self.path = Path(self._directory.name)
        self._socket = self.path / "podman.sock"
        settings = self.path / "containers.conf"
        settings.write_text(f"[containers]\ndefault_ulimits = [{', '.join(map(_format_limit, LIMITS))}]\n")
        service = [
            "podman",
            f"--root={self.path}/data",
            f"--runroot={self.path}/run",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            *([f"--runtime={runc}"] if (runc := shutil.which("runc")) else []),  # crun refuses hybrid cgroups
            "system",
            "service",
            "--time=0",
            self.url,
        ]
        with (self.path / "log").open("ab") as log:
            self._service = subprocess.Popen(
                [*self.wrapper, *service],
                stdout=log,
                stderr=log,
                env=self.make_environment() | {"CONTAINERS_CONF": str(settings)},
                cwd=self.path,  # conmon writes files there
            )
        try:
            wait_until(lambda: is_reachable(self._socket), "Podman answers", SECONDS)
        except TimeoutError as error:
            log_end = (self.path / "log").read_text()[-2000:]
            self.close()
            raise RuntimeError(f"Podman does not start: {log_end}") from error

    def make_environment(self) -> dict[str, str]:
        return dict(os.environ)

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def close(self) -> None:
        self._service.terminate()
        self._service.wait(SECONDS)
        self._directory.cleanup()
