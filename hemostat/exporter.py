"""Collects the metrics for Prometheus from the bus, without acknowledging entries or asking roles.

Events are counted from the streams, and the counters are stored on the bus with their positions: the next
exporter, after a restart or on another host, continues after the last event. Gauges are read when requested.
"""

import logging
import threading
from typing import Final

import msgspec

import hemostat
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.metrics import definitions, gauges
from hemostat.core.metrics.counters import START_POSITION, Counters
from hemostat.core.metrics.definitions import OTHER, Labels, Measure, Numbers, Values
from hemostat.core.remediation.limit_status import compute_host_status
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import AdapterError
from hemostat.events import DURABLE
from hemostat.ports import Bus, Clock, ControlStore, Entry, Interrupted, Ledger, Outbox
from hemostat.streams import ROLES

STATE_KEY: Final = "metrics"
COLLECT_SECONDS: Final = 5.0
"""Seconds between two collections, with or without requests, because the streams are trimmed."""
MAX_ENTRIES_READ: Final = 1000

logger = logging.getLogger(__name__)


class Exporter:
    """Collects metrics. Safe to use from several threads at once."""

    def __init__(
        self,
        bus: Bus,
        ledger: Ledger,
        control_store: ControlStore,
        outbox: Outbox,
        clock: Clock,
        limits: ResponderSettings,
        *,
        containers: int,
    ) -> None:
        """`containers`: how many containers get metrics by name."""
        self._bus = bus
        self._ledger = ledger
        self._control_store = control_store
        self._outbox = outbox
        self._clock = clock
        self._limits = limits
        self._counters = Counters(containers=containers)
        self._lock = threading.Lock()
        self._is_restored = False
        self._trouble = ""
        self._saved_state = b""

    def run(self) -> None:
        """Count new events until told to stop."""
        try:
            while True:
                self.collect()
                self._clock.sleep(COLLECT_SECONDS)
        except Interrupted:
            self.collect()

    def collect(self) -> Numbers:
        """Return all metrics. Without the bus: the counters so far, and that the bus is down."""
        with self._lock:
            try:
                seen = self._read_metrics(self._clock.now())
                self._save_counters()
                self._set_trouble("")
            except AdapterError as error:
                self._set_trouble(str(error))
                seen = {definitions.BUS_UP: {(): 0.0}}
            events: Numbers = {**self._counters.collect_numbers()}
            events.update({measure: dict(values) for measure, values in seen.items()})
            events[definitions.BUILD_INFO] = {(hemostat.__version__,): 1.0}
            return events

    def _read_metrics(self, now: float) -> dict[Measure, Values]:
        if not self._is_restored:
            self._restore()
        self._catch_up()
        heartbeats = self._bus.read_last_values("heartbeat")
        self._counters.count_heartbeats(heartbeats, now)
        roles = list(self._counters.roles)
        hosts = [host for role, host in roles if role == "responder" and host != OTHER]
        limit_status = {
            host: compute_host_status(self._ledger.read_host(host), self._limits, now) for host in hosts
        }
        paused = self._control_store.read_controls().find_pause(ALL_CONTAINERS, now)
        open_approvals = sum(approval.is_open(now) for approval in self._control_store.list_approvals())
        return {
            **gauges.measure_roles(roles, heartbeats),
            **gauges.measure_breakers(limit_status),
            **gauges.measure_containers(
                self._bus.read_last_values("container_stats"),
                self._counters.bound_value,
                self._counters.get_container_name,
            ),
            definitions.OPEN_INCIDENTS: gauges.count_open_incidents(self._counters.open_incidents.values()),
            definitions.STREAM_LAG: self._read_lags(hosts),
            definitions.WAITING_NOTIFICATIONS: {
                (name,): float(self._outbox.count_waiting(name)) for name in self._counters.channels
            },
            definitions.DEAD_LETTERS: {(): float(self._bus.count_dead_letters())},
            definitions.PAUSE_STATE: {(): float(paused is not None)},
            definitions.WAITING_APPROVALS: {(): float(open_approvals)},
            definitions.BUS_UP: {(): 1.0},
        }

    def _restore(self) -> None:
        state = self._bus.load_state(STATE_KEY)
        try:
            if state is not None:
                self._counters.restore(state)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            logger.warning("saved_state.rejected error=%s", error)
        self._is_restored = True

    def _catch_up(self) -> None:
        """Count new events in the order of their publication, across all streams."""
        positions = self._counters.positions
        while True:
            read = [
                self._bus.read_after(name, positions.get(name, START_POSITION), MAX_ENTRIES_READ)
                for name in DURABLE
            ]
            full = [_sort_key(entries[-1]) for entries in read if len(entries) == MAX_ENTRIES_READ]
            entries = sorted((entry for entries in read for entry in entries), key=_sort_key)
            for entry in entries:
                if not full or _sort_key(entry) <= min(full):
                    self._counters.take(entry.stream, entry.id, entry.event)
            if not full:
                return

    def _read_lags(self, hosts: list[str]) -> Values:
        groups: list[Labels] = [
            (stream, role.make_group_name(host))
            for role in ROLES
            for stream in role.reads
            for host in (hosts if role.per_host else [""])
        ]
        return {(stream, group): float(self._bus.count_lag(group, [stream])) for stream, group in groups}

    def _save_counters(self) -> None:
        state = self._counters.encode_state()
        if state != self._saved_state:
            self._bus.publish([], state=(STATE_KEY, state))
            self._saved_state = state

    def _set_trouble(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            logger.warning("connection.failed error=%s", trouble)
        elif self._trouble and not trouble:
            logger.info("connection.restored")
        self._trouble = trouble


def _sort_key(entry: Entry) -> tuple[int, ...]:
    return tuple(map(int, entry.id.split("-")))
