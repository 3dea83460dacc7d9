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
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.core.settings.monitor import should_watch
from hemostat.errors import NoSuchContainerError


class Reconciler:
    """Compares lists with the registry. `discharge` is called with the ids of removed containers."""

    def __init__(
        self,
        ward: ContainerRegistry,
        lookups: Inspections,
        deaths: DeathWatch,
        faults: ContainerErrors,
        discharge: Callable[[str], list[IncidentAlert]],
    ) -> None:
        self._registry = ward
        self._errors = faults
        self._inspections = lookups
        self._death_watch = deaths
        self._remove_container = discharge
        self._listed_ids: frozenset[str] = frozenset()
        """The ids of the last list."""

    def reconcile_all(self, rows: Iterable[ListedContainer], now: float, since: float) -> list[IncidentAlert]:
        """Inspect every container. `since` (epoch seconds): up to when events had been read."""
        self._inspections.ask_again()
        return self._reconcile(
            rows, now, lambda _: True, lambda found: self._judge_found(found, found, since, now)
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
            lambda row: (
                row.ref.id in self._errors or container_list.has_changed(relations.get(row.ref.id), row, now)
            ),
            lambda found: self._judge_changed(found, until, now, wait=wait),
        )

    def look_again(self, container_id: str, now: float, until: float, *, wait: bool) -> list[IncidentAlert]:
        """Inspect a container that the engine answers about again."""
        try:
            name = self._inspections.name(container_id)
            info = self._inspections.inspector.inspect(container_id, name, now, answered=True)
        except NoSuchContainerError:
            return self._remove_container(container_id)
        if info is None:
            return []
        told = self._judge_changed([info], until, now, wait=wait)
        patient = self._registry.get(container_id)
        if patient is None:
            return told
        catch_up = partial(self._catch_up, patient, now)
        return told + (
            self._errors.attempt(container_id, info.ref.name, "evaluate the state of", catch_up) or []
        )

    def _catch_up(self, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
        """Judge the health of a container from its inspection, because events of its healthcheck may have
        been dropped."""
        on_event.record_inspected_health(patient, now)
        return on_event.judge_health(self._registry, patient, now)

    def _reconcile(
        self,
        rows: Iterable[ListedContainer],
        now: float,
        wanted: Callable[[ListedContainer], bool],
        judge: Callable[[Sequence[ContainerInfo]], list[IncidentAlert]],
    ) -> list[IncidentAlert]:
        present, inspector = {row.ref.id: row for row in rows}, self._inspections.inspector
        asked = {key: row.ref.name for key, row in present.items() if self._is_wanted(row, wanted)}
        asked |= {key: self._inspections.name(key) for key in self._registry.known() - present.keys()}
        inspector.keep_only(asked.keys() | present.keys())
        self._errors.keep_only(asked.keys() | present.keys())
        gone: list[str] = []
        found = list(inspector.inspect_all(asked, now, gone.append))
        self._listed_ids = frozenset(present)
        return [each for key in sorted(gone) for each in self._remove_container(key)] + judge(found)

    def _is_wanted(self, row: ListedContainer, wanted: Callable[[ListedContainer], bool]) -> bool:
        return self._errors.attempt(row.ref.id, row.ref.name, "compare", partial(wanted, row)) is not False

    def _judge_changed(
        self, found: Iterable[ContainerInfo], until: float, now: float, *, wait: bool
    ) -> list[IncidentAlert]:
        relations = self._registry.relations
        ready = [each for each in found if not (wait and self._is_left_to_events(each, until, now))]
        unseen = [each for each in ready if container_list.is_unseen_death(relations.get(each.ref.id), each)]
        return self._judge_found(ready, unseen, now - container_list.LOOK_BACK_SECONDS, now)

    def _is_left_to_events(self, info: ContainerInfo, until: float, now: float) -> bool:
        return self._is_under_watch(info) and container_list.is_left_to_events(info, until, now)

    def _judge_found(
        self, found: Sequence[ContainerInfo], dead: Iterable[ContainerInfo], since: float, now: float
    ) -> list[IncidentAlert]:
        """Judge the inspected containers. All are added before any is judged, because some depend on others.
        `dead`: those whose exit may have gone unseen."""
        told = [each for info in found for each in self._close_renamed(info)]
        everybody = [(info, self._is_under_watch(info)) for info in found]
        admitted = [self._inspections.admit(info, now, watched=is_watched) for info, is_watched in everybody]
        self._errors.attempt("", "all", "find the dependencies of", self._inspections.find_absent)
        unseen = {info.ref.id for info in dead}
        for patient in filter(None, admitted):
            judge = partial(self._judge, patient, since if patient.ref.id in unseen else None, now)
            told += (
                self._errors.attempt(patient.ref.id, patient.ref.name, "evaluate the state of", judge) or []
            )
        return told

    def _close_renamed(self, info: ContainerInfo) -> list[IncidentAlert]:
        """Close the incident of a renamed container. Under the former name, the incident would be attributed
        to the container that has that name now."""
        known = self._registry.get(info.ref.id)
        same = known is None or known.ref.name == info.ref.name
        return [] if same else self._registry.register.closed(info.ref.id)

    def _judge(self, patient: WatchedContainer, dead_since: float | None, now: float) -> list[IncidentAlert]:
        """`dead_since`: up to when events had been read, where the exit may have gone unseen."""
        told = [] if dead_since is None else self._death_watch.found_dead(patient, dead_since, now)
        return told + on_event.judge_health(self._registry, patient, now)

    def _is_under_watch(self, info: ContainerInfo) -> bool:
        """Return whether a container is watched. One that was not listed is watched only if it was before: it
        may be outside the filter of the list."""
        known = self._registry.get(info.ref.id) is not None
        return should_watch(info.ref) and (known or info.ref.id in self._listed_ids)
