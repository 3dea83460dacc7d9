"""Crashes of containers on a real engine, and the wait until they run again."""

from typing import Final

from hemostat.adapters.docker_engine import DockerEngine
from tests.support.engine_fixtures import eventually

HEAL_SECONDS: Final = 150.0
"""HemoStat waits up to 120 s for a host whose CPU other tests use."""


def crash(engine: DockerEngine, container: str) -> None:
    engine.exec(container, ["sh", "-c", "echo exit 9 >/tmp/exit"])
    eventually(lambda: engine.inspect(container).finished_at > 0)


def await_restart(engine: DockerEngine, container: str) -> None:
    def is_running_again() -> bool:
        info = engine.inspect(container)
        return info.is_running and info.started_at > info.finished_at > 0

    eventually(is_running_again, seconds=HEAL_SECONDS)
