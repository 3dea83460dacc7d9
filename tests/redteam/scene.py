"""A HemoStat, a victim to crash, and the containers of a hostile neighbour."""

import secrets
import subprocess
from collections.abc import Callable
from typing import Any, Final

import docker
from docker.models.containers import Container

from hemostat.core.history.incident_log import find_subject
from hemostat.events import Event
from tests.e2e.scenarios.lab import LABEL, Lab
from tests.e2e.scenarios.model import Box
from tests.e2e.scenarios.observer import Observer
from tests.support.engine_fixtures import eventually
from tests.support.lab import command

DIGITS: Final = "9" * 400
"""A number that no float holds."""
VICTIM: Final = "while [ ! -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go; exit 9"
"""A process that ends with code 9 once /tmp/go exists. A restart cures it."""


class Scene:
    """Containers are made by `make`, before HemoStat is started or while it runs."""

    def __init__(self) -> None:
        self.group = f"red-{secrets.token_hex(3)}"
        self.lab = Lab("redteam", self.group, None)
        self.observer: Observer | None = None

    def start(self, **settings: str) -> None:
        """`hemostat all`, with the scenario suite's short windows. Settings are variables without
        their prefix: `RESPONDER_MODE="dry-run"`."""
        self.observer = Observer(self.group, {"HOST": self.group, **settings})

    def stop(self) -> str:
        """Stop HemoStat and return its log."""
        observer, self.observer = self.observer, None
        return observer.close() if observer is not None else ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the operator's, with the settings of the HemoStat that runs."""
        return command.run(*arguments, env=self.running.env)

    @property
    def running(self) -> Observer:
        if self.observer is None:
            raise AssertionError("start HemoStat first")
        return self.observer

    @property
    def events(self) -> list[Event]:
        return list(self.running.events)

    @property
    def client(self) -> docker.DockerClient:
        return self.lab.client

    def make(self, name: str, main: str = "while :; do sleep 1; done", **box: Any) -> Container:
        """A container of this name (with a prefix of the scene's). Further arguments are those of Box."""
        return self.lab.make(Box(name=name, main=main, **box))

    def make_victim(self, name: str = "victim", **box: Any) -> Container:
        return self.make(name, VICTIM, **box)

    def await_watched(self, container: Container) -> None:
        """Wait until HemoStat has measured the container: one that is down at HemoStat's start is left to
        people."""
        eventually(lambda: container.id in self.running.measured, seconds=60.0)

    def crash(self, name: str = "victim") -> None:
        self.await_watched(self.lab[name])
        self.lab.state(name)  # notes when it was started
        self.lab.touch(name)

    def await_healed(self, name: str = "victim", *, seconds: float = 20.0) -> None:
        """Wait until it has been started again, and runs."""
        eventually(
            lambda: self.lab.state(name).get("Running") and self.lab.restarts(name) > 0, seconds=seconds
        )

    def await_event(self, wanted: Callable[[Event], bool], *, seconds: float = 20.0) -> Event:
        eventually(lambda: any(wanted(each) for each in self.events), seconds=seconds)
        return next(each for each in self.events if wanted(each))

    def about(self, name: str) -> Callable[[Event], bool]:
        """Whether an event is about the container of this name."""
        made = str(self.lab[name].id)

        def is_about(event: Event) -> bool:
            about = find_subject(event)
            return about is not None and about[0].id == made

        return is_about

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self.lab.close()


__all__ = ["DIGITS", "LABEL", "VICTIM", "Scene"]
