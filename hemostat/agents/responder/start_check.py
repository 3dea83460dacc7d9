"""Checks whether a container could be started again, before it is stopped.

A restart stops first. Where the start must fail, a restart only takes down a running container.
"""

from collections.abc import Callable

from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.events import Action
from hemostat.ports import Engine

STARTING_ACTIONS = frozenset({Action.RESTART, Action.START})


class StartCheck:
    def __init__(self, engine: Engine, missing: Callable[[ContainerInfo], str] | None = None) -> None:
        """`missing` returns which of a container's paths on the engine's host do not exist, empty for none or
        where that is unknown."""
        self._engine = engine
        self._find_missing_path = missing

    def obstacle(self, action: Action, found: ContainerInfo | None) -> str:
        """Return why the container's start must fail, with what a person has to do; empty if no reason is
        known."""
        if action not in STARTING_ACTIONS or found is None:
            return ""
        objections = (self._find_namespace_fault(owner) for owner in found.joined)
        objection = next(filter(None, objections), "")
        return objection or ("" if self._find_missing_path is None else self._find_missing_path(found))

    def _find_namespace_fault(self, owner: str) -> str:
        """Return what is wrong with a container whose namespace is shared; empty for nothing."""
        short = owner[:12]
        try:
            info = self._engine.inspect(owner)
        except NoSuchContainerError:
            return (
                f"the container whose namespace it shares ({short}) no longer exists: recreate this container"
            )
        except EngineError:
            return ""
        return "" if info.running else f"{info.ref.name}, whose namespace it shares, is {info.status}"
