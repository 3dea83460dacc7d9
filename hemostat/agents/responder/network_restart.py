"""Restarts the containers that share the network of a restarted container, because they have lost that
network.

Any user may create such a container, with the labels of any project, so it must not affect the one whose
network it shares. All of them together get at most MAX_SECONDS, in equal shares. The failure of one is
reported, but is no failure of the action, unless labels are trusted (`trust.labels`).
"""

from collections.abc import Callable
from typing import Final

from hemostat.core.dependencies.shared_networks import find_detached
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.trust import TrustSettings, is_vouched
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.events import Container
from hemostat.ports import Clock, Engine

MAX_SECONDS: Final = 30.0
"""Seconds for all containers that share one network: they occupy a thread of the responder."""
MAX_LISTED: Final = 10
"""Maximum number of containers named in the detail."""


class NetworkRestart:
    """Restarts containers that share a network. `spared`: why a container must not be acted on, empty if it
    may be. `grace`: seconds that a container is given to stop."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        trust: TrustSettings,
        *,
        spared: Callable[[Container], str],
        grace: Callable[[ContainerInfo], float],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._trust = trust
        self._find_spare_reason = spared
        self._find_stop_seconds = grace

    def run(self, container_id: str) -> str:
        """Return what was restarted, in words. A failure does not delay the next container. Raises
        EngineError at the end where a container failed whose labels are trusted."""
        started_at, attached = self._clock.now(), self._engine.list_attached()
        if not attached:
            return ""
        owner = self._engine.inspect(container_id)
        done: list[str] = []
        failed: list[str] = []
        members = find_detached(owner, attached)
        members = sorted(members, key=lambda each: (not self._is_of_project(owner, each), each.created_at))
        for number, info in enumerate(members):
            seconds_left = MAX_SECONDS - (self._clock.now() - started_at)
            share = seconds_left / (len(members) - number)
            is_trusted = self._trust.believes_all and self._is_of_project(owner, info)
            try:
                done += self._restart(info, min(self._find_stop_seconds(info), share))
            except EngineError as error:
                if is_trusted and error.transient:
                    raise
                (failed if is_trusted else done).append(f"{info.ref.name} not re-attached: {error.message}")
        if failed:
            raise EngineError(_join_lines(done + failed))
        return _join_lines(done)

    def _is_of_project(self, owner: ContainerInfo, info: ContainerInfo) -> bool:
        networks = frozenset(owner.networks)
        return self._trust.believes_all or is_vouched(
            owner.ref, info.ref, networks=networks, other_networks=networks
        )

    def _restart(self, info: ContainerInfo, grace: float) -> list[str]:
        """Restart a container, if it still runs."""
        name = info.ref.name
        if why := self._find_spare_reason(info.ref):
            return [f"{name} has no network: it is {why}"]
        if grace <= 0:
            return [f"{name} has no network: no time was left"]
        try:
            current = self._engine.inspect(info.ref.id)
            if not current.is_running or current.started_at != info.started_at:
                return []
            self._engine.restart(info.ref.id, grace)
        except NoSuchContainerError:
            return []
        return [f"{name} re-attached to its network"]


def _join_lines(lines: list[str]) -> str:
    more = len(lines) - MAX_LISTED
    return "; ".join([*lines[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])])
