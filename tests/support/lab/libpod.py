"""Podman's own API, for what the Docker API cannot do: pods, health checks run by hand, and their actions."""

import os
import signal
from typing import Any

import docker

from hemostat.adapters.docker_engine.podman_api import LIBPOD_API
from tests.support.engine_fixtures import IMAGE

SLEEP = ["/bin/busybox", "sleep", "100000"]
SLEEP_COMMAND = ["/bin/busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
OK_FILE = "/tmp/ok"
CHECK = {"Test": ["CMD", "/bin/busybox", "test", "-e", OK_FILE], "Retries": 2, "Timeout": 5 * 10**9}
"""Passes while OK_FILE exists. Podman runs it on demand only: it has no interval."""
KILL, RESTART = 2, 3
"""Numbers of actions on an unhealthy container."""


class Libpod:
    """Makes pods and containers without a network, and removes them when it is closed."""

    def __init__(self, url: str) -> None:
        self.client = docker.APIClient(base_url=url, version="1.41")
        self._base = f"{self.client.base_url}{LIBPOD_API}"
        self._pods: list[str] = []
        self._containers: list[str] = []

    def make_pod(self, name: str) -> str:
        """Return the name of its infra container."""
        body = {"name": name, "netns": {"nsmode": "none"}, "infra_image": IMAGE, "infra_command": SLEEP}
        pod = self._post("/pods/create", json=body)["Id"]
        self._pods.append(pod)
        return f"{pod[:12]}-infra"

    def run(self, name: str, *, pod: str = "", **fields: Any) -> str:
        """Run a container, and return its name."""
        network = {"pod": pod} if pod else {"netns": {"nsmode": "none"}}
        body = {
            "name": name,
            "image": IMAGE,
            "command": SLEEP_COMMAND,
            "stop_timeout": 1,
            **network,
            **fields,
        }
        self._containers.append(self._post("/containers/create", json=body)["Id"])
        self._post(f"/containers/{name}/start")
        return name

    def stop_pod(self, name: str) -> None:
        self._post(f"/pods/{name}/stop?t=1")

    def check(self, container: str) -> None:
        """Run the health check once, as the timer of systemd would."""
        self.client.get(f"{self._base}/containers/{container}/healthcheck", timeout=30)

    def cure(self, container: str) -> None:
        """Make CHECK pass, also after a restart."""
        run = self.client.exec_create(container, ["/bin/busybox", "touch", OK_FILE])["Id"]
        self.client.exec_start(run)

    def inspect(self, container: str) -> dict[str, Any]:
        answer = self.client.get(f"{self._base}/containers/{container}/json", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def find_status(self, container: str) -> str:
        return str(self.inspect(container)["State"]["Status"])

    def find_start(self, container: str) -> str:
        return str(self.inspect(container)["State"]["StartedAt"])

    def crash(self, container: str) -> None:
        """Kill the main process from outside the engine."""
        os.kill(self.inspect(container)["State"]["Pid"], signal.SIGKILL)

    def _post(self, path: str, **arguments: Any) -> Any:
        answer = self.client.post(f"{self._base}{path}", timeout=60, **arguments)
        assert answer.ok or answer.status_code == 304, answer.text
        return answer.json() if answer.content else {}

    def close(self) -> None:
        for path in (
            *(f"/containers/{each}?force=true&timeout=0" for each in self._containers),
            *(f"/pods/{each}?force=true" for each in self._pods),
        ):
            self.client.delete(f"{self._base}{path}", timeout=60)
        self.client.close()
