"""One scenario's containers, by the names that the scenario gives them, and operations on them."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from requests import RequestException

from tests.support.engine_fixtures import IMAGE
from tests.support.lab.waiting import wait_until
from tests.support.proxy import Proxy
from tests.support.rule_proxy import RuleProxy

if TYPE_CHECKING:
    from tests.e2e.scenarios.model import Box
    from tests.support.lab.private_engine import PrivateEngine

NANO = 10**9
LABEL = "hemostat.scenario"
PATIENCE = 30.0


class Lab:
    """`group` is the value of LABEL that the observing HemoStat selects containers by."""

    def __init__(
        self, scenario: str, group: str, url: str | None = None, *, second: "PrivateEngine | None" = None
    ) -> None:
        self.client = docker.DockerClient(base_url=url, timeout=60) if url else docker.from_env(timeout=60)
        self.second = second
        self.proxy: Proxy | None = None
        self.rules: RuleProxy | None = None
        self.began = time.time()
        """When the fault happened (epoch seconds)."""
        self.alone = False
        """Whether the observing HemoStat watches no other scenario."""
        self.names: dict[str, str] = {}
        """The box by the container's name, and by its id."""
        self.starts: dict[str, set[str]] = {}
        """Every StartedAt seen, by the container's id."""
        self.prefix = f"hs-{group}-{scenario}"
        self._group = group
        self._current: dict[str, Container] = {}
        self._made: list[Container] = []
        self._bridge: Network | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="hs-")

    # --- making -------------------------------------------------------------------------------------

    def make(self, box: "Box", *, start: bool = True) -> Container:
        """Create a container. A second one of the same name replaces the first, as in a deploy."""
        name = f"{self.prefix}-{box.name}"
        network = {"network": self._network()} if box.network else {"network_mode": "none"}
        options = {**network, **self._named(box.options)}
        made = self.client.containers.create(
            IMAGE,
            ["sh", "-c", box.main],
            name=name,
            labels=self._labels(box),
            healthcheck=_health(box),
            **options,
        )
        self._made.append(made)
        self._current[box.name] = made
        self.names |= {name: box.name, str(made.id): box.name}
        self.starts[str(made.id)] = set()
        if start:
            made.start()
        return made

    def _named(self, options: dict[str, Any]) -> dict[str, Any]:
        named = dict(options)
        kind, _, other = str(options.get("network_mode", "")).partition(":")
        if kind == "container":
            named["network_mode"] = f"container:{self[other].id}"
        if "volumes_from" in options:
            named["volumes_from"] = [str(self[each].id) for each in options["volumes_from"]]
        return named

    def _network(self) -> str:
        if self._bridge is None:
            labels = {LABEL: self._group}
            self._bridge = self.client.networks.create(self.prefix, driver="bridge", labels=labels)
        return self.prefix

    def _labels(self, box: "Box") -> dict[str, str]:
        labels = {LABEL: self._group, **box.labels}
        if box.service:
            compose = {
                "project": self.prefix,
                "service": box.service,
                "container-number": str(box.number),
                "config-hash": f"hash-of-{box.service}",
                "project.working_dir": f"/srv/{self.prefix}",
                "project.config_files": "docker-compose.yml",
                "depends_on": ",".join(f"{each}:service_started:false" for each in box.depends_on.split(",")),
            }
            if not box.depends_on:
                del compose["depends_on"]
            labels |= {f"com.docker.compose.{key}": value for key, value in compose.items()}
        return labels

    # --- looking ------------------------------------------------------------------------------------

    def __getitem__(self, box: str) -> Container:
        return self._current[box]

    def state(self, box: str) -> dict[str, Any]:
        """Return the container's state now; empty if the container or the engine is gone."""
        try:
            state: dict[str, Any] = self.client.api.inspect_container(self[box].id)["State"]
        except (DockerException, RequestException):
            return {}
        if state["StartedAt"] > "0001-01-02":
            self.starts[str(self[box].id)].add(state["StartedAt"])
        return state

    def boxes(self) -> list[str]:
        return list(self._current)

    def restarts(self, box: str) -> int:
        return max(0, len(self.starts[str(self[box].id)]) - 1)

    def pid(self, box: str) -> int:
        return int(self.state(box)["Pid"])

    def address(self, box: str) -> str:
        """Return the container's address on the scenario's network."""
        networks = self.client.api.inspect_container(self[box].id)["NetworkSettings"]["Networks"]
        return str(networks[self.prefix]["IPAddress"])

    def until(self, box: str, **wanted: object) -> None:
        """Wait until the container has this state: `running=False`, `health="healthy"`."""

        def is_so() -> bool:
            state = self.state(box)
            seen = {"running": state.get("Running"), "health": state.get("Health", {}).get("Status")}
            return all(seen[key] == value for key, value in wanted.items())

        wait_until(is_so, f"{box}: {wanted}", PATIENCE)

    def until_checked(self, box: str) -> None:
        """Wait until the next health check of the box has ended."""
        before = self._checks(box)
        wait_until(lambda: self._checks(box) != before, f"{box}: its health check runs", PATIENCE)

    def _checks(self, box: str) -> list[str]:
        return [each["Start"] for each in self.state(box).get("Health", {}).get("Log") or ()]

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    # --- doing --------------------------------------------------------------------------------------

    def sh(self, box: str, script: str) -> None:
        """Run a script in the container. Its background processes continue."""
        # The script may end the very process that would answer.
        with suppress(DockerException):
            self[box].exec_run(["sh", "-c", script], detach=True)

    def touch(self, box: str) -> None:
        """Create the file that most main processes wait for."""
        self.sh(box, "touch /tmp/go")

    def signal(self, box: str, number: int) -> None:
        """Send a signal from the host, which the engine does not notice."""
        os.kill(self.pid(box), number)

    def signal_all(self, number: int) -> None:
        """Send a signal to every box at the same time."""
        for pid in [self.pid(box) for box in self._current]:
            os.kill(pid, number)

    @property
    def directory(self) -> Path:
        return Path(self._directory.name)

    def close(self) -> None:
        for made in reversed(self._made):
            with suppress(NotFound, RequestException):
                made.remove(force=True, v=True)
        if self._bridge is not None:
            self._bridge.remove()
        self.client.close()
        self._directory.cleanup()


def _health(box: "Box") -> dict[str, Any] | None:
    if not box.health:
        return None
    return {
        "test": ["CMD-SHELL", box.health] if isinstance(box.health, str) else ["CMD", *box.health],
        "interval": round(box.every * NANO),
        "timeout": round(box.timeout * NANO),
        "start_period": round(box.start_period * NANO),
        "retries": box.retries,
    }
