"""Checks whether a container could be started again, before it is stopped.

A restart stops first. Where the start must fail, a restart only takes down a running container.
"""

from collections.abc import Callable
from typing import Final

from hemostat.agents.responder.brief_inspector import BriefInspector
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, EngineTimeoutError, NoSuchContainerError
from hemostat.events import Action

STARTING_ACTIONS: Final = frozenset({Action.RESTART, Action.START})
MAX_OWNERS: Final = 8
"""Maximum number of containers whose namespaces a container shares: one for each kind of namespace."""


class StartCheck:
    def __init__(
        self, inspector: BriefInspector, missing: Callable[[ContainerInfo], str] | None = None
    ) -> None:
        """`missing` returns which of a container's paths on the engine's host do not exist, empty for none or
        where that is unknown."""
        self._inspector = inspector
        self._find_missing_path = missing

    def find_obstacle(self, action: Action, info: ContainerInfo | None) -> str:
        """Return why the container's start must fail, with what a person has to do; empty if no reason is
        known. Raises EngineTimeoutError where the engine does not answer about a container whose namespace is
        shared: the start would wait for that container, after the restart's stop. A container that is down
        has nothing to lose, so its start is tried."""
        if action not in STARTING_ACTIONS or info is None:
            return ""
        objection = self._find_namespace_fault(info)
        return objection or ("" if self._find_missing_path is None else self._find_missing_path(info))

    def _find_namespace_fault(self, found: ContainerInfo) -> str:
        """Return what is wrong with the containers whose namespaces are shared; empty for nothing."""
        if not found.joined:
            return ""
        answers = self._inspector.inspect(found.joined[:MAX_OWNERS])
        faults = (_describe_fault(owner, answer) for owner, answer in answers.items())
        fault = next(filter(None, faults), "")
        timeouts = (each for each in answers.values() if isinstance(each, EngineTimeoutError))
        if not fault and found.is_running and (timeout := next(timeouts, None)) is not None:
            raise timeout
        return fault


def _describe_fault(owner: str, answer: ContainerInfo | EngineError) -> str:
    """Return why no container can join the owner; empty for no reason, and where the engine refuses to
    say."""
    if isinstance(answer, NoSuchContainerError):
        gone = f"the container whose namespace it shares ({owner[:12]}) no longer exists"
        return f"{gone}: recreate this container"
    if isinstance(answer, EngineError) or answer.is_running:
        return ""
    return f"{answer.ref.name}, whose namespace it shares, is {answer.status}"
