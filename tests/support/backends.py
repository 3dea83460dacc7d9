"""Backends of a role: a real Redis, an in-memory engine."""

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.config import Settings
from hemostat.ports import Engine, EngineReader, HostProbe, Sampler


class InMemoryEngineBackends(app.RealBackends):
    """A role's real Redis, and an engine in memory."""

    def __init__(self, settings: Settings, engine: InMemoryEngine) -> None:
        super().__init__(settings)
        self._memory = engine

    def get_engine(self) -> tuple[Engine, Sampler]:
        return self._memory, self._memory

    def get_engine_of(self, host: str) -> EngineReader:
        return self._memory

    def get_host_probe(self, engine: Engine) -> HostProbe:
        return app.UnknownHost()
