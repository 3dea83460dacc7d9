"""A second engine that may be restarted: with a directory, a network namespace and mounts of its own."""

import signal
import subprocess
import tempfile
import time
from pathlib import Path

import docker
from docker.errors import DockerException
from requests import RequestException

from tests.support.engine_fixtures import IMAGE

PATIENCE = 30.0
SHUTDOWN = 3
"""Seconds that containers get to end when the engine is stopped."""


class SecondEngine:
    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hs-engine-")
        self.path = Path(self._directory.name)
        self._process = self._start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}/docker.sock"

    def load(self) -> None:
        """Give it the image that the machine's own engine has."""
        with _client(docker.from_env()) as first, _client(docker.DockerClient(base_url=self.url)) as mine:
            mine.images.load(b"".join(first.images.get(IMAGE).save(named=True)))

    def restart(self) -> None:
        self._stop()
        self._process = self._start()

    def close(self) -> None:
        self._stop()
        self._directory.cleanup()

    def _start(self) -> subprocess.Popen[bytes]:
        """In a network namespace of its own: an engine that is to have no bridge removes the host's."""
        command = ["unshare", "--net", "--mount", "--", "dockerd"]
        options = {
            "data-root": self.path / "data",
            "exec-root": self.path / "exec",
            "pidfile": self.path / "pid",
            "host": self.url,
            "shutdown-timeout": SHUTDOWN,
            "bridge": "none",
            "iptables": "false",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (self.path / "log").open("ab") as log:
            process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no second engine: {(self.path / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return process

    def _answers(self) -> bool:
        try:
            with _client(docker.DockerClient(base_url=self.url, version="1.41")) as client:
                return bool(client.ping())
        except (DockerException, RequestException):
            return False

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)


class _client:  # noqa: N801 - used as a function
    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def __enter__(self) -> docker.DockerClient:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
