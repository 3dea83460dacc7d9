"""Compares a list of all containers with the registry.

The comparison finds new, removed and failed containers that no event has reported. A list may be older than
the last events: a container that differs in it is inspected before it is judged.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.agents.monitor.inspections import Inspections
from hemostat.core.detection import container_list, on_event
from hemostat.core.detection.incidents import IncidentAlert, IncidentEnd
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.core.settings.monitor import should_watch
from hemostat.errors import NoSuchContainerError

InspectAll = Callable[[dict[str, str], float, Callable[[str], object]], Iterable[ContainerInfo]]
"""Inspects containers, given their names by id, the time, and what to call with each removed one."""


class Reconciler:
    """Compares lists with the registry. `discharge` is called with the ids of removed containers."""

    def __init__(
        self,
        registry: ContainerRegistry,
        lookups: Inspections,
        deaths: DeathWatch,
        faults: ContainerErrors,
        discharge: Callable[[str], list[IncidentAlert]],
    ) -> None:
        self._registry = registry
        self._errors = faults
        self._inspections = lookups
        self._death_watch = deaths
        self._remove_container = discharge
        self._listed_ids: frozenset[str] = frozenset()
        """The ids of the last list."""

    def reconcile_all(self, rows: Iterable[ListedContainer], now: float, since: float) -> list[IncidentAlert]:
        """Inspect every container. `since` (epoch seconds): up to when events had been read."""
        self._inspections.forget_requested()
        return self._reconcile(
            rows,
            now,
            self._inspections.inspector.inspect_all,
            lambda _: True,
            lambda infos: self._judge_found(infos, infos, since, now),
        )

    def reconcile(
        self, rows: Iterable[ListedContainer], now: float, until: float, *, wait: bool
    ) -> list[IncidentAlert]:
        """Inspect the containers that have changed. `until` is the time of the last event. `wait`: whether
        events come in, so that an exit is left to its event for a while."""
        relations = self._registry.relations
        return self._reconcile(
            rows,
            now,
            self._inspections.inspector.inspect_until_hung,
            lambda row: (
                row.ref.id in self._errors or container_list.has_changed(relations.get(row.ref.id), row, now)
            ),
            lambda infos: self._judge_changed(infos, until, now, wait=wait),
        )

    def look_again(self, container_id: str, now: float, until: float, *, wait: bool) -> list[IncidentAlert]:
        """Inspect a container that the engine answers about again."""
        try:
            name = self._inspections.find_name(container_id)
            info = self._inspections.inspector.inspect(container_id, name, now, answered=True)
            if info is not None and container_list.is_older(info, self._registry.relations.get(container_id)):
                info = self._inspections.inspector.inspect(container_id, name, now, answered=True)
        except NoSuchContainerError:
            return self._remove_container(container_id)
        if info is None:
            return []
        return self._judge_changed([info], until, now, wait=wait)

    def _reconcile(
        self,
        rows: Iterable[ListedContainer],
        now: float,
        inspect_all: InspectAll,
        should_inspect: Callable[[ListedContainer], bool],
        judge: Callable[[Sequence[ContainerInfo]], list[IncidentAlert]],
    ) -> list[IncidentAlert]:
        present, inspector = {row.ref.id: row for row in rows}, self._inspections.inspector
        names = {key: row.ref.name for key, row in present.items() if self._is_wanted(row, should_inspect)}
        names |= {
            key: self._inspections.find_name(key) for key in self._registry.list_known_ids() - present.keys()
        }
        inspector.keep_only(names.keys() | present.keys())
        self._errors.keep_only(names.keys() | present.keys())
        removed_ids: list[str] = []
        infos = list(inspect_all(names, now, removed_ids.append))
        self._listed_ids = frozenset(present)
        return [each for key in sorted(removed_ids) for each in self._remove_container(key)] + judge(infos)

    def _is_wanted(self, row: ListedContainer, should_inspect: Callable[[ListedContainer], bool]) -> bool:
        return (
            self._errors.attempt(row.ref.id, row.ref.name, "compare", partial(should_inspect, row))
            is not False
        )

    def _judge_changed(
        self, infos: Iterable[ContainerInfo], until: float, now: float, *, wait: bool
    ) -> list[IncidentAlert]:
        relations = self._registry.relations
        ready = [each for each in infos if not (wait and self._is_left_to_events(each, until, now))]
        unseen = [each for each in ready if container_list.is_unseen_death(relations.get(each.ref.id), each)]
        return self._judge_found(ready, unseen, now - container_list.LOOK_BACK_SECONDS, now)

    def _is_left_to_events(self, info: ContainerInfo, until: float, now: float) -> bool:
        return self._is_under_watch(info) and container_list.is_left_to_events(info, until, now)

    def _judge_found(
        self, infos: Sequence[ContainerInfo], dead: Iterable[ContainerInfo], since: float, now: float
    ) -> list[IncidentAlert]:
        """Judge the inspected containers. All are added before any is judged, because some depend on others.
        `dead`: those whose exit may have gone unseen."""
        alerts = [each for info in infos for each in self._close_renamed(info)]
        everybody = [(info, self._is_under_watch(info)) for info in infos]
        admitted = [self._inspections.upsert(info, now, watched=is_watched) for info, is_watched in everybody]
        self._errors.attempt("", "all", "find the dependencies of", self._inspections.find_absent)
        unseen = {info.ref.id for info in dead}
        for container in filter(None, admitted):
            judge = partial(self._judge, container, since if container.ref.id in unseen else None, now)
            alerts += (
                self._errors.attempt(container.ref.id, container.ref.name, "evaluate the state of", judge)
                or []
            )
        return alerts

    def _close_renamed(self, info: ContainerInfo) -> list[IncidentAlert]:
        """Close the incident of a renamed container. Under the former name, the incident would be attributed
        to the container that has that name now."""
        container = self._registry.get(info.ref.id)
        has_same_name = container is None or container.ref.name == info.ref.name
        if has_same_name:
            return []
        return self._registry.incidents.close_incidents(info.ref.id, end=IncidentEnd.RENAMED)

    def _judge(
        self, container: WatchedContainer, dead_since: float | None, now: float
    ) -> list[IncidentAlert]:
        """`dead_since`: up to when events had been read, where the exit may have gone unseen."""
        alerts = [] if dead_since is None else self._death_watch.judge_found_dead(container, dead_since, now)
        on_event.record_inspected_health(container, now)  # Its event may have been missed.
        return alerts + on_event.judge_health(self._registry, container, now)

    def _is_under_watch(self, info: ContainerInfo) -> bool:
        """Return whether a container is watched. One that was not listed is watched only if it was before: it
        may be outside the filter of the list."""
        is_registered = self._registry.get(info.ref.id) is not None
        return should_watch(info.ref) and (is_registered or info.ref.id in self._listed_ids)
