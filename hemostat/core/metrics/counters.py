"""Counters over the event streams. The result depends only on the events, not on the process or on restarts.

Counters are stored together with their positions in the streams. After a restart, counting continues behind
the last counted event, so that events are neither lost nor counted twice. Labels with values from outside are
limited: further values count as `other`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hemostat.core.metrics import definitions
from hemostat.core.metrics.definitions import OTHER, Distribution, Labels, Measure, Numbers, Values
from hemostat.core.metrics.name_limit import ContainerNames, NameSlot, fold_into_other
from hemostat.events import (
    Container,
    Decided,
    Diagnosis,
    Event,
    FalseAlarm,
    Figure,
    HealthAlert,
    Heartbeat,
    Kind,
    Order,
    Outcome,
    Phase,
    Reason,
    RemediationComplete,
    RemediationNeeded,
)

MAX_REMEMBERED_IDS: Final = 2000
"""Counted events to remember, by stream and id. An event that a responder defers returns to the stream with
the same id."""
MAX_OPEN_INCIDENTS: Final = 2000
MAX_LABEL_VALUES: Final = {
    "host": 100, "advisor": 20, "model": 20, "cause": 50, "channel": 50, "outcome": 10, "reason": 20,
}  # fmt: skip
"""Values that each label may have."""
DAY_SECONDS: Final = 86_400.0
START_POSITION: Final = "0-0"

ROLE_MEASURES: Final = {
    each.name: each for each in (definitions.NOTIFICATIONS, definitions.MODEL_FAILURES, definitions.SAMPLES)
}
"""Measures that roles count themselves, by name."""

ACTED_OUTCOMES: Final = frozenset({Outcome.HEALED, Outcome.FAILED})


class OpenIncident(msgspec.Struct, frozen=True):
    """An incident: when its latest occurrence began (epoch seconds), and whether its condition still lasts.
    The incident is kept after the condition ends, because the remediation's outcome comes later."""

    since: float
    kind: Kind
    host: str
    lasts: bool = True


class CounterState(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form of counters. `counts` and `spread` hold a measure, its labels and the counted
    values."""

    positions: dict[str, str] = {}
    counts: list[tuple[str, Labels, float]] = []
    spread: list[tuple[str, Labels, tuple[int, ...], float]] = []
    known: dict[str, list[str]] = {}
    places: dict[str, NameSlot] = {}
    """Slots of container names."""
    ids: list[str] = []
    opened: dict[str, OpenIncident] = {}
    handled: dict[str, int] = {}
    roles: list[tuple[str, str, float]] = []


class Counters:
    def __init__(self, *, containers: int) -> None:
        """`containers` is how many containers are counted by name."""
        self._container_names = ContainerNames(containers)
        self._label_values: dict[str, dict[str, None]] = defaultdict(dict)
        self._counts: dict[Measure, Values] = defaultdict(lambda: defaultdict(float))
        self._distributions: dict[Measure, dict[Labels, Distribution]] = defaultdict(dict)
        self._counted_ids: dict[str, None] = {}
        self._last_totals: dict[str, int] = {}
        self.open_incidents: dict[str, OpenIncident] = {}
        self.positions: dict[str, str] = {}
        """The last counted entry of each stream."""
        self.roles: dict[tuple[str, str], float] = {}
        """When each role and host last sent a heartbeat (epoch seconds)."""

    # --- state across restarts -----------------------------------------------------------------------

    def encode_state(self) -> bytes:
        counts = [
            (m.name, labels, value) for m, values in self._counts.items() for labels, value in values.items()
        ]
        spread = [
            (m.name, labels, each.counts, each.sum)
            for m, distributions in self._distributions.items()
            for labels, each in distributions.items()
        ]
        state = CounterState(
            positions=self.positions,
            counts=counts,
            spread=spread,
            known={label: list(values) for label, values in self._label_values.items()},
            places=self._container_names.slots,
            ids=list(self._counted_ids),
            opened=self.open_incidents,
            handled=self._last_totals,
            roles=[(role, host, time) for (role, host), time in self.roles.items()],
        )
        return msgspec.json.encode(state)

    def restore(self, raw: bytes) -> None:
        """Continues from the stored state `raw`. Raises msgspec.MsgspecError. Values of measures that no
        longer exist, or have other labels, are dropped."""
        state = msgspec.json.decode(raw, type=CounterState)
        by_name = {measure.name: measure for measure in definitions.COUNTED_MEASURES}
        for name, labels, value in state.counts:
            if (measure := by_name.get(name)) and len(labels) == len(measure.labels):
                self._counts[measure][labels] = value
        for name, labels, counts, total in state.spread:
            if (measure := by_name.get(name)) and len(counts) == len(measure.buckets) + 1:
                self._distributions[measure][labels] = Distribution(counts, total)
        label_values = {label: dict.fromkeys(values) for label, values in state.known.items()}
        self._container_names.restore(state.places, label_values.pop("container", ()))
        self._label_values.update(label_values)
        self._counted_ids = dict.fromkeys(state.ids)
        self._last_totals, self.open_incidents, self.positions = state.handled, state.opened, state.positions
        self.roles = {(role, host): time for role, host, time in state.roles}

    # --- counting -----------------------------------------------------------------------------------

    def take(self, stream: str, position: str, event: Event | None) -> None:
        """Counts one entry of a stream. Entries that are not events are skipped."""
        self.positions[stream] = position
        if event is None or self._mark_counted(f"{stream} {event.id}"):
            return
        match event.data:
            case HealthAlert():
                self._count_alert(event, event.data)
            case RemediationNeeded(diagnosis=diagnosis):
                self._count_diagnosis(event, diagnosis, "remediation")
            case FalseAlarm(diagnosis=diagnosis):
                self._count_diagnosis(event, diagnosis, "false_alarm")
            case RemediationComplete():
                self._count_outcome(event, event.data)
            case Order():
                self._count(definitions.PERSON_EVENTS, ("ordered",))
            case Decided(what=decision):
                self._count(definitions.PERSON_EVENTS, (decision,))

    def count_heartbeats(self, heartbeats: Sequence[Event], now: float) -> None:
        """Adds what the running roles have handled and counted since their last heartbeat."""
        before, self._last_totals = self._last_totals, {}
        for event in heartbeats:
            match event.data:
                case Heartbeat(role=role, handled=handled, started=started_at, figures=figures):
                    source = f"{event.source} {started_at}"
                    host = self.bound_value("host", event.host)
                    self._count_growth(definitions.HANDLED_EVENTS, (role, host), handled, source, before)
                    for figure in figures:
                        self._count_figure(figure, f"{source} {figure.name} {figure.labels}", before)
                    self.roles[role, host] = event.time
        self.roles = {key: time for key, time in self.roles.items() if time > now - DAY_SECONDS}

    def _count_figure(self, figure: Figure, key: str, before: Mapping[str, int]) -> None:
        measure = ROLE_MEASURES.get(figure.name)
        if measure is None or len(figure.labels) != len(measure.labels):
            return
        labels = tuple(map(self.bound_value, measure.labels, figure.labels))
        self._count_growth(measure, labels, figure.value, key, before)

    def _count_growth(
        self, measure: Measure, labels: Labels, now: int, key: str, before: Mapping[str, int]
    ) -> None:
        self._count(measure, labels, max(0, now - before.get(key, 0)))
        self._last_totals[key] = now

    def bound_value(self, label: str, value: str) -> str:
        """The value, or `other` if the label already has its maximum number of values."""
        known_values = self._label_values[label]
        if value not in known_values:
            if len(known_values) >= MAX_LABEL_VALUES[label]:
                return OTHER
            known_values[value] = None
        return value

    def get_container_name(self, container: Container, now: float) -> str:
        """The container's name in metrics. Counts under a name that lost its slot move to `other`."""
        name, dropped_name = self._container_names.take(container, now)
        for measure in (definitions.ALERTS, definitions.ACTIONS) if dropped_name else ():
            fold_into_other(self._counts[measure], measure.labels.index("container"), dropped_name)
        return name

    @property
    def channels(self) -> list[str]:
        """The notification channels that roles have reported."""
        return list(self._label_values["channel"])

    def collect_numbers(self) -> Numbers:
        return {
            measure: {**self._counts[measure], **self._distributions[measure]}
            for measure in definitions.COUNTED_MEASURES
        }

    def _count_alert(self, event: Event, alert: HealthAlert) -> None:
        host = self.bound_value("host", event.host)
        if alert.phase is Phase.CLEARED:
            self._count(definitions.CLEARED_ALERTS, (alert.kind, host))
            if (open_incident := self.open_incidents.get(event.incident or "")) is not None:
                self.open_incidents[event.incident or ""] = msgspec.structs.replace(
                    open_incident, lasts=False
                )
            return
        container = self.get_container_name(alert.container, event.time)
        self._count(definitions.ALERTS, (alert.kind, alert.severity, host, container))
        self._observe(definitions.TIME_TO_DETECT, (alert.kind,), event.time - alert.since)
        if event.incident is not None:
            self.open_incidents.pop(event.incident, None)
            self.open_incidents[event.incident] = OpenIncident(alert.since, alert.kind, host)
            _drop_oldest(self.open_incidents, MAX_OPEN_INCIDENTS)

    def _count_diagnosis(self, event: Event, diagnosis: Diagnosis, verdict: str) -> None:
        advisor = self.bound_value("advisor", diagnosis.advisor)
        self._count(definitions.DIAGNOSES, (advisor, self.bound_value("cause", diagnosis.cause), verdict))
        cause_time = _parse_event_time(event.cause)
        if cause_time is not None:
            self._observe(definitions.TIME_TO_DIAGNOSE, (advisor,), event.time - cause_time)
        investigation = diagnosis.investigation
        if investigation is None:
            return
        model = (self.bound_value("model", investigation.model),)
        if investigation.reused:
            self._count(definitions.REUSED_DIAGNOSES, model)
            return
        self._count(definitions.INVESTIGATIONS, model)
        self._count(definitions.MODEL_STEPS, model, len(investigation.steps))
        self._count(definitions.MODEL_TOKENS, model, investigation.tokens)
        self._count(definitions.MODEL_COST, model, investigation.cost)

    def _count_outcome(self, event: Event, completion: RemediationComplete) -> None:
        host = self.bound_value("host", event.host)
        self._count(definitions.DECISIONS, (completion.outcome, completion.reason, host))
        if completion.outcome in ACTED_OUTCOMES and completion.reason is not Reason.GIVEN_UP:
            container = self.get_container_name(completion.container, event.time)
            self._count(definitions.ACTIONS, (completion.action, completion.outcome, host, container))
        open_incident = self.open_incidents.get(event.incident or "")
        if completion.outcome is Outcome.HEALED and open_incident is not None:
            self._observe(definitions.TIME_TO_HEAL, (completion.kind,), event.time - open_incident.since)

    def _count(self, measure: Measure, labels: Labels, by: float = 1.0) -> None:
        self._counts[measure][labels] += by

    def _observe(self, measure: Measure, labels: Labels, seconds: float) -> None:
        """Counts a duration. A negative one, from a clock that was set back, counts as 0."""
        seconds = max(0.0, seconds)
        before = self._distributions[measure].get(labels) or Distribution(
            (0,) * (len(measure.buckets) + 1), 0.0
        )
        counts = list(before.counts)
        counts[bisect_left(measure.buckets, seconds)] += 1
        self._distributions[measure][labels] = Distribution(tuple(counts), before.sum + seconds)

    def _mark_counted(self, event_id: str) -> bool:
        """Whether the event was counted before. Marks it as counted."""
        is_known = event_id in self._counted_ids
        self._counted_ids.pop(event_id, None)
        self._counted_ids[event_id] = None
        _drop_oldest(self._counted_ids, MAX_REMEMBERED_IDS)
        return is_known


def _drop_oldest(entries: dict[str, Any], limit: int) -> None:
    while len(entries) > limit:
        del entries[next(iter(entries))]


def _parse_event_time(event_id: str | None) -> float | None:
    """When the event with this id was created (epoch seconds): the id starts with the time."""
    try:
        return int((event_id or "").split("-")[0], 16) / 1000
    except ValueError:
        return None
