"""`hemostat all` in a process on the real engine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hemostat.adapters.docker_engine import DockerEngine
from tests.support.engine_fixtures import SESSION, eventually
from tests.support.lab.hemostat_all import HemoStatAll

CRASHING = ("sh", "-c", "trap 'exit 0' TERM; trap 'exit 7' USR1; while :; do sleep 0.1; done")


class Everything(HemoStatAll):
    """`hemostat all` in a process that watches only this session's containers."""

    def __init__(self, state_dir: Path, **settings: str) -> None:
        only = f"hemostat.test={SESSION}"
        super().__init__(state_dir, MONITOR_ONLY=only, RESPONDER_BACKOFF="0.2", **settings)
        self.await_roles()

    def events(self, container: str) -> list[dict]:
        told = self.run("events", "--json", "--container", container).stdout
        return [json.loads(line) for line in told.splitlines()]

    def outcomes(self, container: str) -> list[str]:
        """The final outcomes. A failing health check waits first where other tests use up the host's CPU."""
        return [each["outcome"] for each in self._completions(container) if each["outcome"] != "waiting"]

    def list_waits(self, container: str) -> list[str]:
        """The reasons for which remediation waited."""
        return [each["reason"] for each in self._completions(container) if each["outcome"] == "waiting"]

    def _completions(self, container: str) -> list[dict]:
        events = self.events(container)
        return [each["data"] for each in events if each["type"] == "remediation_complete"]


@pytest.fixture
def everything(state_dir: Path) -> Iterator[Everything]:
    running = Everything(state_dir)
    yield running
    running.stop()


def watched(everything: Everything, make_container: Callable[..., str], engine: DockerEngine) -> str:
    """Create a container, wait until the monitor knows it, and return its name."""
    name = engine.inspect(make_container(CRASHING)).ref.name
    eventually(lambda: name in {each["name"] for each in everything.status()["containers"]})
    return name
