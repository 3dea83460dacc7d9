"""A simulated Docker Engine in memory, for tests and for `--simulate`."""

from hemostat.adapters.in_memory.engine.engine import InMemoryEngine

__all__ = ["InMemoryEngine"]
