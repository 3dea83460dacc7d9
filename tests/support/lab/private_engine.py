"""A Docker Engine of a test's own, for what must not be done to the machine's."""

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.lab.waiting import wait_until

SECONDS = 60.0
LOOP = 'ip link set lo up; while :; do "$@"; sleep 0.3; done'
"""Starts dockerd again in the same namespaces whenever it ends."""


def is_reachable(path: Path) -> bool:
    """Return whether an engine answers at the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


class PrivateEngine:
    """Has a directory, mounts and a network namespace of its own: an engine without a bridge removes the
    host's. Its mounts go with its namespaces. Raises RuntimeError if it does not start."""

    def __init__(self, *options: str) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hs-engine-", ignore_cleanup_errors=True)
        self.path = Path(self._directory.name)
        daemon = [
            "dockerd",
            f"--data-root={self.path}/data",
            f"--exec-root={self.path}/exec",
            f"--pidfile={self._pid_file}",
            f"--host={self.url}",
            "--containerd-namespace=hs-test",
            "--containerd-plugins-namespace=hs-test-plugins",
            "--shutdown-timeout=3",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            *options,
        ]
        with (self.path / "log").open("ab") as log:
            self._loop = subprocess.Popen(
                ["unshare", "--mount", "--net", "sh", "-c", LOOP, "sh", *daemon], stdout=log, stderr=log
            )
        try:
            wait_until(self.is_reachable, "the private engine answers", SECONDS)
        except TimeoutError as error:
            log_end = (self.path / "log").read_text()[-2000:]
            self.close()
            raise RuntimeError(f"the private engine does not start: {log_end}") from error

    @property
    def url(self) -> str:
        return f"unix://{self.path}/docker.sock"

    @property
    def _pid_file(self) -> Path:
        return self.path / "pid"

    @property
    def daemon_process(self) -> int:
        return int(self._pid_file.read_text())

    def is_reachable(self) -> bool:
        return is_reachable(self.path / "docker.sock")

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Ends dockerd, which then starts again."""
        os.kill(self.daemon_process, number)
        wait_until(lambda: not self.is_reachable(), "the private engine is away", SECONDS)

    def restart(self) -> None:
        """Returns when dockerd answers again."""
        self.kill()
        wait_until(self.is_reachable, "the private engine is back", SECONDS)

    def close(self) -> None:
        self._loop.kill()
        self._loop.wait()
        if self._pid_file.exists():
            os.kill(self.daemon_process, signal.SIGTERM)
            wait_until(lambda: not self._pid_file.exists(), "dockerd has ended", SECONDS)
        self._directory.cleanup()
