"""Inspects single containers and their dependencies, and records the results in the registry.

A container that the engine does not answer about keeps its last known state.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.inspector import Inspector
from hemostat.core.dependencies.declared import MissingDependency, find_missing_dependencies
from hemostat.core.dependencies.graph import DependencyGraph
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.labels.mistakes import find_mistakes
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.events import Container
from hemostat.ports import EngineReader

MAX_UPSTREAM: Final = 20
"""Maximum number of dependencies inspected when a container fails: other containers wait meanwhile."""
JUST_NOW_SECONDS: Final = 0.5
MAX_SEEN: Final = 1000
MAX_DEPENDENCIES_PER_ROUND: Final = 20
"""Maximum number of containers outside the list that the engine is asked for at a time: labels name them."""
MAX_ASKING_SECONDS: Final = 0.5
"""Seconds after which the remaining ones are asked for later, after a pause of REST_FACTOR times the time
taken."""
REST_FACTOR: Final = 20.0
MAX_REST_SECONDS: Final = 300.0

logger = logging.getLogger(__name__)


class Inspections:
    def __init__(
        self,
        engine: EngineReader,
        registry: ContainerRegistry,
        faults: ContainerErrors,
        stopwatch: Callable[[], float] = float,
    ) -> None:
        """`stopwatch` returns seconds from an arbitrary start."""
        self._engine = engine
        self._registry = registry
        self._errors = faults
        self._event_subject = Container(id="", name="")
        self._requested: set[MissingDependency] = set()
        """Dependencies that the engine was asked for since the last listing, and that were missing."""
        self._stopwatch = stopwatch
        self._seen_at: dict[str, float] = {}
        """When each container was last inspected for a dependent (by the stopwatch)."""
        self._rests_until = 0.0
        """When the engine may be asked again for missing dependencies (by the stopwatch)."""
        self.inspector = Inspector(engine)

    def note_subject(self, subject: Container) -> None:
        """Remember the container of an event, whose name may not be known otherwise."""
        self._event_subject = subject

    def upsert(self, info: ContainerInfo, now: float, *, watched: bool = True) -> WatchedContainer | None:
        """Add or update one container, isolated from the others. Returns None where it cannot be watched,
        which is recorded, and where it is not to be watched."""
        name = info.ref.name
        return self._errors.attempt(
            info.ref.id, name, "watch", partial(self._upsert, info, now, watched=watched)
        )

    def _upsert(self, info: ContainerInfo, now: float, *, watched: bool) -> WatchedContainer | None:
        relations = self._registry.relations
        last_info = relations.get(info.ref.id)
        if last_info is None or last_info.ref != info.ref:
            check_readable(info)
        if not watched or info.is_infra:  # A pod's containers would lose the network of a restarted infra.
            relations.update(info, watched=False)
            return None
        if self._registry.get(info.ref.id) is None:
            log_label_mistakes(info.ref)
        return self._registry.upsert(info, now)

    def inspect(self, container_id: str, now: float) -> WatchedContainer | None:
        """Inspect a container and record the result. Returns None if the container was removed, or the engine
        does not answer about it now."""
        try:
            info = self.inspector.inspect(container_id, self.find_name(container_id), now)
        except NoSuchContainerError:
            return None
        return None if info is None else self.upsert(info, now)

    def find_name(self, container_id: str) -> str:
        container = self._registry.relations.get(container_id)
        if container is not None:
            return container.ref.name
        return self._event_subject.name if self._event_subject.id == container_id else container_id[:12]

    def inspect_upstream(self, container_id: str, now: float) -> None:
        """Inspect the dependencies of a container when it fails: a failing healthcheck makes no event before
        it has failed for good. A dependency that the engine does not answer about keeps its last known state.
        So do the others once an inspection has hung, and those beyond the nearest MAX_UPSTREAM."""
        hung = self.inspector.hung_count
        for other in self._registry.relations.nearest_upstream(container_id, MAX_UPSTREAM):
            if self.inspector.hung_count > hung:
                return
            if self._was_just_seen(other.ref.id):
                continue
            try:
                self._inspect_any(other.ref.id, now)
            except EngineError as error:
                if error.transient:
                    raise

    def _was_just_seen(self, container_id: str) -> bool:
        """Return whether a container was inspected just now. Many containers may have the same dependency:
        one inspection serves all of them."""
        seconds, seen_at = self._stopwatch(), self._seen_at.get(container_id)
        if seen_at is not None and 0 < seconds - seen_at < JUST_NOW_SECONDS:
            return True
        if len(self._seen_at) >= MAX_SEEN:
            self._seen_at.clear()
        self._seen_at[container_id] = seconds
        return False

    def try_inspect_upstream(self, container_id: str, now: float) -> None:
        """Inspect dependencies within a round, where an error would lose the alerts already made: what cannot
        be inspected now keeps its last known state."""
        with suppress(EngineError):
            self.inspect_upstream(container_id, now)

    def _inspect_any(self, container_id: str, now: float) -> None:
        """Inspect a container, watched or not."""
        relations = self._registry.relations
        if not relations.is_unwatched(container_id):
            self.inspect(container_id, now)
            return
        try:
            info = self.inspector.inspect(container_id, self.find_name(container_id), now)
        except NoSuchContainerError:
            relations.remove(container_id)
            self.find_absent()
            return
        if info is not None:
            self.upsert(info, 0.0, watched=False)

    def forget_requested(self) -> None:
        """Allow the engine to be asked again: dependencies that were missing may exist by now."""
        self._requested.clear()

    def find_absent(self) -> None:
        """Ask for dependencies of watched containers that the listing did not show: a container that HemoStat
        must not act on may still be the cause of a failure."""
        missing = self._registry.relations.find_missing()
        self._requested &= missing
        started_at = self._stopwatch()
        if 0 < self._rests_until - started_at < MAX_REST_SECONDS:
            return
        for dependency in sorted(missing - self._requested)[:MAX_DEPENDENCIES_PER_ROUND]:
            self._requested.add(dependency)
            with suppress(EngineError):
                for info in self._inspect_outside(dependency):
                    # The engine accepts the beginning of an id as a name, even that of a watched container.
                    if self._registry.get(info.ref.id) is None:
                        self.upsert(info, 0.0, watched=False)
            if (took := self._stopwatch() - started_at) > MAX_ASKING_SECONDS:
                self._rests_until = started_at + REST_FACTOR * took
                return

    def _inspect_outside(self, dependency: MissingDependency) -> Iterable[ContainerInfo]:
        service = dependency.service
        members = self._engine.inspect_service(dependency.project, service, brief=True) if service else []
        answers = (
            self._engine.inspect_all([dependency.name], brief=True) if dependency.name and not members else {}
        )
        return [*members, *(each for each in answers.values() if isinstance(each, ContainerInfo))]


def check_readable(info: ContainerInfo) -> None:
    """Raise now any error that this container would cause where it is processed together with others."""
    msgspec.json.encode(info.ref)
    DependencyGraph.build([info])
    find_missing_dependencies([info], {info.ref.id})


def log_label_mistakes(ref: Container) -> None:
    """Log each label that cannot be parsed: its container is not acted on without approval."""
    for each in find_mistakes(mask_labels(ref).labels):
        logger.warning(
            "label.rejected container=%s label=%s value=%s nearest=%s reason=%s",
            ref.name,
            each.label,
            each.value,
            each.nearest or "-",
            each.why,
        )
