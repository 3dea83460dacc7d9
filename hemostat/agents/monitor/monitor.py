"""The monitor: turns events of the engine and samples into alerts.

The monitor state is what must survive a restart: how far the engine's events have been read, and what the
registry knows of the containers. What is a failure, and what is its root cause, is defined in core. Whether
an alert deserves an action is decided by other roles.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.agents.monitor.inspections import Inspections
from hemostat.agents.monitor.last_stats import LastStats
from hemostat.agents.monitor.reconciler import Reconciler
from hemostat.agents.monitor.sample_round import SampleRound
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import on_event, on_sample, probe, review
from hemostat.core.detection.alert_rate import MINUTE_SECONDS, AlertRate
from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.event_queue import EventSpan
from hemostat.core.detection.incidents import IncidentAlert, IncidentEnd
from hemostat.core.detection.monitor_state import MonitorState, decode_state, encode_state
from hemostat.core.detection.probe import ProbeRoute
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import (
    Answering,
    Connected,
    ConnectionPeers,
    ContainerInfo,
    Disconnected,
    DiskUse,
    EngineEvent,
    HostSample,
    Listing,
    Mode,
    Observation,
    Probed,
    Sample,
    Samples,
    Waited,
)
from hemostat.core.settings.monitor import MonitorSettings, should_watch
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.core.usage.tracker import interrupt_tracker
from hemostat.events import Container, ContainerStats, Event, HealthAlert, Payload, encode
from hemostat.ports import EngineReader, Ledger, Sampler

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Monitor:
    """Turns observations into events. `step` takes one observation and returns alerts and stats; it changes
    nothing when it raises."""

    def __init__(
        self,
        engine: EngineReader,
        sampler: Sampler,
        thresholds: MonitorSettings,
        *,
        host: str,
        source: str,
        host_memory: int,
        host_cores: int = 1,
        history: Callable[[str], Sequence[MetricPoint]] = lambda _: (),
        ledger: Ledger | None = None,
        warnings: tuple[str, ...] = (),
        trust: TrustSettings = TRUST_OWN,
        stopwatch: Callable[[], float] = float,
    ) -> None:
        """`history` returns the stored measurements of the container of a name, oldest first. `ledger` tells
        which stops are HemoStat's own; without a ledger all stops count as people's. `warnings`: what is
        known from the start to be missing."""
        self._engine = engine
        self._warnings = warnings
        self._host = host
        self._source = source
        self._registry = ContainerRegistry(thresholds, HostState(name=host, cores=host_cores), trust)
        self._errors = ContainerErrors()
        self._inspections = Inspections(engine, self._registry, self._errors, stopwatch)
        self._death_watch = DeathWatch(
            self._registry,
            ledger,
            self._errors,
            host=host,
            read_mark=self._inspections.inspector.read_stop_mark,
            look=self._inspections.inspect,
            look_upstream=self._inspections.inspect_upstream,
            count_hung=lambda: self._inspections.inspector.hung_count,
        )
        self._reconciler = Reconciler(
            self._registry, self._inspections, self._death_watch, self._errors, self._remove_container
        )
        self._last_stats = LastStats()
        self._sample_round = SampleRound(
            self._registry,
            self._inspections,
            self._death_watch,
            self._errors,
            self._last_stats,
            sampler,
            host_memory=host_memory,
            history=history,
            stopwatch=stopwatch,
        )
        self._alert_rate = AlertRate(self._is_new)
        self._cursor = Cursor()
        self._last_loss = ""
        """What the last encoded state had to leave out."""
        self._blind_since: float | None = 0.0
        """Up to when events had been read before the connection was lost; None once all containers have been
        listed."""
        self.event_span: EventSpan | None = None
        """Which of the engine's events have come in while the current one is handled; None where each is
        handled as it comes."""
        self._now = 0.0
        self.engine_trouble = ""
        """Why the engine's events are not coming in, if they are not."""

    @property
    def since(self) -> float | None:
        """Return from when on to ask for the engine's events; None is from now on."""
        return self._cursor.since

    def restore_state(self, state: bytes) -> None:
        """Restore the state, as far as it can be read. Raises ValueError where `state` is not an encoded
        state."""
        read, lost_ids = decode_state(state)
        if lost_ids:
            logger.warning("monitor_state.partly_restored lost=%s", lost_ids)
            self._warnings += (
                f"started without the parts of its stored state that are unreadable: {lost_ids}",
            )
        self._cursor = read.cursor
        self._blind_since = read.cursor.until
        self._registry.restore(read.past)
        self._alert_rate.restore(read.waiting)

    def encode_state(self) -> bytes:
        state = MonitorState(
            cursor=self._cursor, past=self._registry.dump_state(), waiting=self._alert_rate.waiting_alerts
        )
        raw, lost_ids = encode_state(state)
        if lost_ids and str(lost_ids) != self._last_loss:
            logger.error("monitor_state.partly_saved lost=%s", lost_ids)
        self._last_loss = str(lost_ids)
        return raw

    def find_next_due(self) -> float | None:
        """Return when `Waited` is due next (epoch seconds); None while no exit is held."""
        return self._death_watch.find_next_due()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings for users about what the monitor works without."""
        return (
            self._warnings
            + self._inspections.inspector.warnings
            + self._errors.warnings
            + self._alert_rate.warnings
        )

    def retry_inspections(self, now: float, *, unresponsive: bool = False) -> Iterable[str]:
        """Inspect containers separately, the `unresponsive` ones or the others, and yield those that the
        engine answers about. Blocks, and is safe to call from another thread."""
        inspector = self._inspections.inspector
        return inspector.retry_unresponsive(now) if unresponsive else inspector.retry(now)

    # --- what is to be measured: safe to call from other threads -------------------------------------

    def list_running(self) -> list[ContainerInfo]:
        """Return the containers to be sampled."""
        return [container.info for container in self._registry if container.info.is_running]

    def list_disk_measured(self) -> list[ContainerInfo]:
        """Return the containers whose writable layer or log is to be measured."""
        running = [container for container in self._registry if container.info.is_running]
        return [
            container.info for container in running if container.thresholds.disk or container.thresholds.log
        ]

    def list_probes(self) -> list[tuple[str, ProbeTarget, ProbeRoute]]:
        """Return the containers that request a probe: id, target, route."""
        asking = [each for each in self._registry if each.probe_target and each.info.is_running]
        if not asking:
            return []
        everyone = {each.ref.name: each.info for each in self._registry}
        everyone |= {each.ref.id: each.info for each in self._registry}  # A name may look like an id.
        routes = ((each, self._find_route(each, everyone)) for each in asking)
        return [
            (each.ref.id, each.probe_target, route)
            for each, route in routes
            if each.probe_target and route is not None
        ]

    def _find_route(
        self, container: WatchedContainer, everyone: dict[str, ContainerInfo]
    ) -> ProbeRoute | None:
        return self.attempt(container.ref, "probe", partial(probe.find_route, container.info, everyone))

    # --- steps ----------------------------------------------------------------------------------------

    def step(self, observation: Observation, now: float) -> list[Event]:
        alerts: list[IncidentAlert] = []
        self._now = now
        match observation:
            case Samples(samples=samples):
                return self._handle_samples(samples, now)
            case EngineEvent():
                alerts = self._handle_event(observation, now)
            case Connected():
                return self.step(
                    Listing(tuple(self._engine.list_containers()), thorough=True, connected=True), now
                )
            case Listing():
                alerts = self._reconcile(observation, now)
            case Answering(container_id=container_id):
                alerts = self._reconciler.look_again(
                    container_id, now, self._cursor.until, wait=not self.engine_trouble
                )
            case Disconnected(error=error):
                self._blind_since = self._cursor.until if self._blind_since is None else self._blind_since
                self.engine_trouble = error
                self._death_watch.note_engine_lost(now)
            case Mode():
                alerts = review.change_mode(self._registry, observation, now)
            case _:
                alerts = self._handle_measurement(observation, now)
        return self._make_alert_events(
            alerts + self._death_watch.judge_held(now), now
        ) + self._make_removed_events(now)

    def _handle_measurement(
        self, observation: DiskUse | Probed | ConnectionPeers | HostSample | Waited, now: float
    ) -> list[IncidentAlert]:
        match observation:
            case DiskUse():
                return on_sample.check_disk_use(self._registry, observation, now)
            case Probed():
                return on_sample.record_probe(
                    self._registry, observation, now, self._inspections.try_inspect_upstream
                )
            case ConnectionPeers():
                self._registry.relations.record_connections(observation, now)
                return []
            case HostSample():
                return on_sample.check_host(self._registry, observation)
            case Waited():
                return []

    def _make_alert_events(self, alerts: Iterable[IncidentAlert], now: float) -> list[Event]:
        events = (
            self.attempt(
                alert.container, "publish an alert for", partial(self._make_alert_event, alert, now, incident)
            )
            for incident, alert in (*self._alert_rate.take_due(now), *self._alert_rate.admit(alerts, now))
        )
        return [event for event in events if event is not None]

    def _is_new(self, container: Container) -> bool:
        watched = self._registry.get(container.id)
        return watched is not None and 0 <= self._now - watched.info.created_at < MINUTE_SECONDS

    def _make_alert_event(self, alert: HealthAlert, now: float, incident: str) -> Event:
        masked_alert = msgspec.structs.replace(alert, container=mask_labels(alert.container))
        event = self._make_event(masked_alert, now, incident)
        encode(event)  # An event that cannot be encoded fails here, and not together with other alerts.
        return event

    def attempt(self, ref: Container, doing: str, call: Callable[[], T]) -> T | None:
        """Isolate work on one container, so that a failure does not affect the others. Safe to call from
        another thread."""
        return self._errors.attempt(ref.id, ref.name, doing, call)

    def _make_event(self, data: Payload, now: float, incident: str | None = None) -> Event:
        return Event.make(data, time=now, host=self._host, source=self._source, incident=incident)

    # --- events ---------------------------------------------------------------------------------------

    def _handle_event(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        if self._cursor.has_handled(event):
            return []
        handlers: dict[str, Callable[[EngineEvent, float], list[IncidentAlert]]] = {
            "die": self._death_watch.handle_death,
            "oom": self._death_watch.handle_oom,
            "unhealthy": self._handle_health,
            "healthy": self._handle_health,
            "kill": self._death_watch.handle_kill,
            "stop": self._death_watch.handle_stop,
            "cleanup": self._death_watch.handle_cleanup,
            "start": self._handle_start,
            "destroy": self._handle_destroy,
        }
        alerts: list[IncidentAlert] = []
        self._inspections.note_subject(event.container)
        if should_watch(event.container) or event.action == "destroy":
            handle = partial(handlers.get(event.action, self._handle_change), event, now)
            alerts = self.attempt(event.container, f"handle the event {event.action} of", handle) or []
        elif event.action in {"kill", "stop"}:
            on_event.record_stop_request(self._registry, event, is_own_stop=False)
        self._cursor = self._cursor.advance(event, *(self.event_span or ()))
        return alerts

    def _handle_health(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        known = self._registry.get(event.container.id)
        if known is not None and on_event.is_known_health(known, event):
            return []
        container = self._inspections.inspect(event.container.id, now)
        if container is None:
            return []
        if event.action == "unhealthy":
            self._inspections.inspect_upstream(container.ref.id, now)
        if event.podman:  # Before 5.0, its event has the health from before the check.
            on_event.record_inspected_health(container, now)
        else:
            on_event.record_health_event(container, event)
        return on_event.judge_health(self._registry, container, now)

    def _handle_start(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        alerts = self._death_watch.handle_start(event, now)
        self._errors.attempt("", "all", "find the dependencies of", self._inspections.find_absent)
        return alerts

    def _handle_destroy(self, event: EngineEvent, _: float) -> list[IncidentAlert]:
        return self._remove_container(event.container.id)

    def _remove_container(self, container_id: str) -> list[IncidentAlert]:
        self._inspections.inspector.forget(container_id)
        self._death_watch.forget(container_id)
        self._errors.forget(container_id)
        self._last_stats.remove(container_id)
        return self._registry.remove(container_id)

    def _handle_change(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        container = self._inspections.inspect(event.container.id, now)
        if container is not None and event.action in {"pause", "unpause"}:
            container.usage = interrupt_tracker(container.usage)
        # Under the former name, an incident would be attributed to the container that has that name now.
        return (
            self._registry.incidents.close_incidents(event.container.id, end=IncidentEnd.RENAMED)
            if event.action == "rename"
            else []
        )

    # --- listing --------------------------------------------------------------------------------------

    def _reconcile(self, listing: Listing, now: float) -> list[IncidentAlert]:
        until = self._cursor.until
        if listing.thorough:
            since = until if self._blind_since is None else self._blind_since
            alerts = self._reconciler.reconcile_all(listing.rows, now, since)
            self.engine_trouble, self._blind_since = "" if listing.connected else self.engine_trouble, None
        else:
            alerts = self._reconciler.reconcile(listing.rows, now, until, wait=not self.engine_trouble)
        if not self._cursor.until:
            self._cursor = Cursor(now)
            self._registry.relations.observed_since = now
        return alerts

    # --- measurements ---------------------------------------------------------------------------------

    def _handle_samples(self, samples: Sequence[Sample], now: float) -> list[Event]:
        alerts = self._sample_round.judge(samples, now)
        stats = self._sample_round.collect_changed_stats(samples, now)
        return (
            self._make_stats_events(stats, now)
            + self._make_alert_events(alerts, now)
            + self._make_removed_events(now)
        )

    def _make_removed_events(self, now: float) -> list[Event]:
        names = (container.ref.name for container in self._registry)
        return self._make_stats_events(self._last_stats.take_removed(names), now)

    def _make_stats_events(self, stats: Iterable[ContainerStats], now: float) -> list[Event]:
        events = (
            self.attempt(each.container, "show", partial(self._make_event, each, now)) for each in stats
        )
        return [event for event in events if event is not None]
