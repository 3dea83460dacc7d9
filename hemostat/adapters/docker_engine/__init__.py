"""The adapter of the Docker Engine, on Docker's Python SDK.

No other package imports the SDK or handles its errors.
"""

from hemostat.adapters.docker_engine.engine import DockerEngine
from hemostat.adapters.docker_engine.test_containers import DockerTestContainers

__all__ = ["DockerEngine", "DockerTestContainers"]
