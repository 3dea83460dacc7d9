"""Information about the other containers on the host.

The engine is asked only where a decision depends on the answer.
"""

from collections.abc import Iterable
from typing import Final

from hemostat.core.labels.definitions import is_enabled
from hemostat.core.labels.project import get_project
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.core.remediation import policy
from hemostat.core.remediation.decision import OtherProjects, ReplicaHealth
from hemostat.core.remediation.verify import DOWN_STATES, HealthVerdict, assess_health
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TrustSettings, get_replica_group, is_replica
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.events import Action, Container
from hemostat.ports import Engine

CACHE_SECONDS: Final = 2.0
"""Seconds for which an answer of the engine is cached: many requests may wait for the same slot."""


class HostContainers:
    """Cached questions about the host's containers. Safe to use from several threads at once: at worst the
    engine is asked twice."""

    def __init__(self, engine: Engine, limits: ResponderSettings, trust: TrustSettings) -> None:
        self._engine = engine
        self._trust = trust
        self._limits = limits
        self._projects_cache: tuple[float, frozenset[tuple[str, OtherProjects]]] = (0.0, frozenset())
        self._gone_cache: dict[str, tuple[float, bool]] = {}

    def peers(self, container: Container, found: ContainerInfo | None) -> ReplicaHealth:
        """Return the health of the other replicas of its Compose service. The engine is asked only for a
        healthy replica, whose action would reduce the service."""
        group = get_replica_group(container, self._trust)
        if group is None or found is None or assess_health(found)[0] is not HealthVerdict.WELL:
            return ReplicaHealth()
        others = [
            info
            for info in self._engine.containers()
            if info.ref.id != container.id and is_replica(info, group, self._trust)
        ]
        healthy = sum(assess_health(info)[0] is HealthVerdict.WELL for info in others)
        return ReplicaHealth(len(others), healthy, itself=True)

    def gone(self, attempts: Iterable[Attempt], now: float) -> frozenset[str]:
        """Return the keys of the attempts whose container was removed."""
        return frozenset(each.key for each in attempts if self._is_gone(each, now))

    def _is_gone(self, attempt: Attempt, now: float) -> bool:
        """Return whether the attempt's container was removed. A cleanup without a container is the host's."""
        if attempt.action is Action.CLEANUP and not attempt.container_id:
            return False
        looked_at, gone = self._gone_cache.get(attempt.key, (0.0, False))
        if not 0 <= now - looked_at < CACHE_SECONDS:
            gone = self._is_missing(attempt.container_id or attempt.container)
            recent = {
                key: seen for key, seen in self._gone_cache.items() if 0 <= now - seen[0] < CACHE_SECONDS
            }
            self._gone_cache = {**recent, attempt.key: (now, gone)}
        return gone

    def _is_missing(self, container: str) -> bool:
        """Return whether the engine has no such container. False where it does not answer at once: other
        requests wait for the answer."""
        try:
            answers = self._engine.inspect_all([container], brief=True)
        except EngineError:
            return False
        return isinstance(answers[container], NoSuchContainerError)

    def others(self, container: Container, now: float) -> OtherProjects:
        """Return whether containers of other projects may need an action. Where the engine does not answer,
        they may."""
        listed_at, projects = self._projects_cache
        if not 0 <= now - listed_at < CACHE_SECONDS:
            try:
                projects = self._list_projects()
            except EngineError:
                return OtherProjects.FAILING
            self._projects_cache = (now, projects)
        states = {state for project, state in projects if project != get_project(container)}
        return next(
            (state for state in (OtherProjects.FAILING, OtherProjects.WELL) if state in states),
            OtherProjects.NONE,
        )

    def _list_projects(self) -> frozenset[tuple[str, OtherProjects]]:
        rows = (row for row in self._engine.listing() if self._may_want(row))
        return frozenset((get_project(row.ref), _judge_state(row)) for row in rows)

    def _may_want(self, row: ListedContainer) -> bool:
        if row.status in DOWN_STATES and not self._has_failed_lately(row):
            return False
        unbound = policy.refuse_forbidden(row.ref, Action.RESTART, self._limits) is None
        return unbound and is_enabled(row.ref.labels)

    def _has_failed_lately(self, row: ListedContainer) -> bool:
        return row.exit_code != 0 and row.age is not None and row.age <= self._limits.expire


def _judge_state(row: ListedContainer) -> OtherProjects:
    return (
        OtherProjects.WELL if row.status == "running" and row.health != "unhealthy" else OtherProjects.FAILING
    )
