"""The Docker Engine, spoken to through its SDK. No other package knows the SDK or its errors."""

from hemostat.adapters.docker_engine.engine import DockerEngine
from hemostat.adapters.docker_engine.test_containers import DockerTestContainers

__all__ = ["DockerEngine", "DockerTestContainers"]
