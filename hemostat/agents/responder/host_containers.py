"""Information about the other containers on the host.

The engine is asked only where a decision depends on the answer, about a bounded number of containers, and
within a short time: the threads that decide wait for the answers.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hemostat.agents.responder.brief_inspector import Answers, BriefInspector
from hemostat.core.labels.definitions import is_enabled
from hemostat.core.labels.project import get_project
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.core.remediation import policy
from hemostat.core.remediation.decision import OtherProjects, ReplicaHealth
from hemostat.core.remediation.verify import DOWN_STATES, HealthVerdict, assess_health
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TrustSettings, get_config_hash, get_replica_group, is_replica
from hemostat.errors import EngineError, EngineTimeoutError, NoSuchContainerError
from hemostat.events import Action, Container
from hemostat.ports import Engine

CACHE_SECONDS: Final = 2.0
"""Seconds for which an answer of the engine is cached: many requests may wait for the same slot."""
MAX_REPLICAS: Final = 100
"""Maximum number of replicas of a service that are inspected."""

logger = logging.getLogger(__name__)


class HostContainers:
    """Cached questions about the host's containers. Safe to use from several threads at once: at worst the
    engine is asked twice."""

    def __init__(
        self, engine: Engine, inspector: BriefInspector, limits: ResponderSettings, trust: TrustSettings
    ) -> None:
        self._engine = engine
        self._inspector = inspector
        self._trust = trust
        self._limits = limits
        self._rows_cache: tuple[float, Sequence[ListedContainer]] = (0.0, ())
        self._replicas_cache: dict[str, tuple[float, int, dict[str, bool]]] = {}
        """By replica group: when it was inspected, the ledger's version at that time, and which of the
        containers are healthy, by id."""
        self._gone_cache: dict[str, tuple[float, bool]] = {}
        self._gone_lock = threading.Lock()

    def find_replica_health(
        self, container: Container, peers: ContainerInfo | None, now: float, version: int
    ) -> ReplicaHealth:
        """Return the health of the other replicas of its Compose service. The engine is asked only for a
        healthy replica, whose action would reduce the service. An answer of an earlier `version` of the
        ledger does not count: another replica may have been acted on since."""
        group = get_replica_group(container, self._trust)
        if group is None or peers is None or assess_health(peers, now)[0] is not HealthVerdict.WELL:
            return ReplicaHealth()
        inspected_at, known, replicas = self._replicas_cache.get(group, (0.0, 0, {}))
        if known != version or not 0 <= now - inspected_at < CACHE_SECONDS:
            replicas = self._inspect_replicas(container, group, now)
            recent = {
                each: row for each, row in self._replicas_cache.items() if 0 <= now - row[0] < CACHE_SECONDS
            }
            self._replicas_cache = {**recent, group: (now, version, replicas)}
        other_attempts = [is_healthy for each, is_healthy in replicas.items() if each != container.id]
        return ReplicaHealth(len(other_attempts), sum(other_attempts), itself=True)

    def _inspect_replicas(self, container: Container, group: str, now: float) -> dict[str, bool]:
        """Return the replicas of the container's service, by id, and whether each is healthy. A replica that
        the engine does not answer about is not healthy."""
        service = self._identify_service(container)
        rows = [
            row
            for row in self._list_rows(now)
            if row.status != "created" and self._identify_service(row.ref) == service
        ]
        rows.sort(key=lambda row: _judge_state(row) is not OtherProjects.WELL)
        answers = self._inspector.inspect([row.ref.id for row in rows[:MAX_REPLICAS]])
        return {
            each: isinstance(info, ContainerInfo) and assess_health(info, now)[0] is HealthVerdict.WELL
            for each, info in answers.items()
            if isinstance(info, EngineTimeoutError)
            or (isinstance(info, ContainerInfo) and is_replica(info, group, self._trust))
        }

    def _identify_service(self, container: Container) -> tuple[str | None, ...]:
        """Return what is equal for all replicas of a service, and known without an inspection."""
        config = "" if self._trust.believes_all else get_config_hash(container)
        return container.project, container.service, config

    def find_gone(self, attempts: Iterable[Attempt], now: float) -> frozenset[str]:
        """Return the keys of the attempts whose container was removed. A cleanup without a container is the
        host's."""
        requested = {
            each.key: each.container_id or each.container
            for each in attempts
            if each.container_id or each.action is not Action.CLEANUP
        }
        # While one thread asks the engine, the others use the answers from before.
        if self._gone_lock.acquire(blocking=False):
            try:
                self._refresh_gone(requested, now)
            finally:
                self._gone_lock.release()
        cache = self._gone_cache
        return frozenset(key for key in requested if self._is_recent(cache.get(key), now) and cache[key][1])

    def _refresh_gone(self, requested: Mapping[str, str], now: float) -> None:
        """Ask the engine about the containers that were not asked about just now. A container that the engine
        does not answer about at once is not gone."""
        recent = {key: row for key, row in self._gone_cache.items() if self._is_recent(row, now)}
        stale = {key: container for key, container in requested.items() if key not in recent}
        if not stale:
            return
        answers: Answers = {}
        try:
            answers = self._inspector.inspect(list(stale.values()))
        except EngineError as error:
            logger.debug("inspection.failed error=%s", error)
        rows = {
            key: (now, isinstance(answers.get(container), NoSuchContainerError))
            for key, container in stale.items()
        }
        self._gone_cache = {**recent, **rows}

    @staticmethod
    def _is_recent(row: tuple[float, bool] | None, now: float) -> bool:
        return row is not None and 0 <= now - row[0] < CACHE_SECONDS

    def find_other_projects(self, container: Container, now: float) -> OtherProjects:
        """Return whether containers of other projects may need an action. Where the engine does not answer,
        they may."""
        try:
            rows = [row for row in self._list_rows(now) if self._may_want(row)]
        except EngineError:
            return OtherProjects.FAILING
        states = {_judge_state(row) for row in rows if get_project(row.ref) != get_project(container)}
        return next(
            (state for state in (OtherProjects.FAILING, OtherProjects.WELL) if state in states),
            OtherProjects.NONE,
        )

    def _list_rows(self, now: float) -> Sequence[ListedContainer]:
        listed_at, rows = self._rows_cache
        if not 0 <= now - listed_at < CACHE_SECONDS:
            rows = self._engine.list_containers()
            self._rows_cache = (now, rows)
        return rows

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
