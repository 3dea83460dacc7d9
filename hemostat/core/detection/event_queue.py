"""Orders the engine's events and drops surplus ones, so that one container's events do not delay another's.

Rule 1. An observation that is not an event waits for all events before it, and all later events wait for it.
Rule 2. Between two such observations containers take turns, and each container's events keep their order.
        Containers with events that need more than an inspection come first.
Rule 3. An event that only asks for an inspection is dropped while another event with that action waits.
Rule 4. Per container and second, at most MAX_EVENTS_PER_SECOND events other than LIFECYCLE_ACTIONS are
        handled. At most MAX_WAITING_EVENTS events wait, with LIFECYCLE_ACTIONS twice as many. A container
        with dropped events is inspected afterwards.
Rule 5. At most MAX_EVENTS events wait in total. After an overflow all containers are listed.
Rule 6. While the waiting events hold MAX_LABEL_BYTES of labels, an event with more than MAX_SHORT_BYTES of
        labels is dropped, and its container is inspected afterwards. Events with short labels still wait.
"""

import sys
from collections import Counter, deque
from typing import Final, NamedTuple

from hemostat.core.model import ConnectionPeers, DiskUse, EngineEvent, Listing, Observation, Probed

MAX_EVENTS_PER_SECOND: Final = 8
MAX_WAITING_EVENTS: Final = 32
MAX_EVENTS: Final = 20_000
MAX_LABEL_BYTES: Final = 64 << 20
MAX_SHORT_BYTES: Final = MAX_LABEL_BYTES // MAX_EVENTS
MAX_MEASUREMENTS: Final = 2_000
"""Number of measurements that wait while the bus is unavailable. Later ones carry the same information."""
INSPECT_ACTIONS: Final = frozenset({"create", "update", "rename", "pause", "unpause"})
"""Actions that only ask for an inspection of the container."""
LIFECYCLE_ACTIONS: Final = frozenset({"die", "stop", "cleanup", "oom", "destroy", "start"})
"""Actions that are handled at any rate, as long as they may wait."""


class EventSpan(NamedTuple):
    """Times of received engine events (epoch seconds): `first` is that of the first event that waits, or of
    the last event if none waits; `last` is that of the last event."""

    first: float
    last: float


class QueuedEvent:
    """An event that was received."""

    __slots__ = ("event", "is_handled", "label_bytes")

    def __init__(self, event: EngineEvent, label_bytes: int) -> None:
        self.event = event
        self.is_handled = False
        self.label_bytes = label_bytes


class ContainerLanes:
    """The events between two other observations, by container."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[QueuedEvent]] = {}
        self._urgent_ids: deque[str] = deque()
        self._other_ids: deque[str] = deque()

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def has_same_action(self, event: EngineEvent) -> bool:
        """Return whether an event of the same container and action waits."""
        lane = self._lanes.get(event.container.id, ())
        return any(each.event.action == event.action for each in lane)

    def add(self, arrival: QueuedEvent) -> None:
        key = arrival.event.container.id
        lane = self._lanes.setdefault(key, deque())
        urgent = arrival.event.action not in INSPECT_ACTIONS
        if not lane:
            (self._urgent_ids if urgent else self._other_ids).append(key)
        elif urgent and key in self._other_ids:
            self._other_ids.remove(key)
            self._urgent_ids.append(key)
        lane.append(arrival)

    def take(self) -> QueuedEvent:
        turns = self._urgent_ids or self._other_ids
        key = turns.popleft()
        lane = self._lanes[key]
        arrival = lane.popleft()
        if not lane:
            del self._lanes[key]
        elif any(each.event.action not in INSPECT_ACTIONS for each in lane):
            self._urgent_ids.append(key)
        else:
            self._other_ids.append(key)
        return arrival


def count_label_bytes(event: EngineEvent) -> int:
    """Return the bytes of memory that the labels of the event's container take."""
    return sum(sys.getsizeof(name) + sys.getsizeof(value) for name, value in event.container.labels.items())


class EventQueue:
    """Observations that are not handled yet. To be used by one thread at a time."""

    def __init__(self) -> None:
        self._queue: deque[ContainerLanes | Observation] = deque()
        self._arrivals: deque[QueuedEvent] = deque()
        self._last_time = 0.0
        self._waiting_counts: Counter[str] = Counter()
        self._other_count = 0
        self._label_bytes = 0
        """Of the events in `_arrivals`: a handled one stays there while one before it waits."""
        self._rates: dict[str, tuple[int, int]] = {}
        """By container id: a second, and the number of its events in that second."""
        self.left_out_ids: set[str] = set()
        """Ids of containers of which an event was dropped."""
        self.has_overflowed = False
        """Whether events were dropped because too many waited in total."""

    def __len__(self) -> int:
        return self._waiting_counts.total() + self._other_count

    @property
    def span(self) -> EventSpan | None:
        """The times of the received events; None before the first event."""
        first = self._arrivals[0].event.time if self._arrivals else self._last_time
        return EventSpan(first, self._last_time) if self._last_time else None

    def add(self, observation: Observation) -> None:
        if isinstance(observation, EngineEvent):
            self._add_event(observation)
        elif not self._is_repeated(observation):
            self._queue.append(observation)
            self._other_count += 1

    def _is_repeated(self, observation: Observation) -> bool:
        if isinstance(observation, Listing) and not observation.thorough:
            return any(isinstance(each, Listing) for each in self._queue)
        return (
            isinstance(observation, DiskUse | Probed | ConnectionPeers)
            and self._other_count >= MAX_MEASUREMENTS
        )

    def take(self) -> Observation | None:
        """Return the next observation; None if the queue is empty."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, ContainerLanes) and head:
                return self._take_event(head)
            self._queue.popleft()
            if not isinstance(head, ContainerLanes):
                self._other_count -= 1
                return head
        return None

    def _take_event(self, lanes: ContainerLanes) -> EngineEvent:
        arrival = lanes.take()
        arrival.is_handled = True
        key = arrival.event.container.id
        self._waiting_counts[key] -= 1
        if not self._waiting_counts[key]:
            del self._waiting_counts[key]
        while self._arrivals and self._arrivals[0].is_handled:
            self._label_bytes -= self._arrivals.popleft().label_bytes
        return arrival.event

    def _add_event(self, event: EngineEvent) -> None:
        self._last_time = event.time
        lanes = self._queue[-1] if self._queue and isinstance(self._queue[-1], ContainerLanes) else None
        if lanes is not None and event.action in INSPECT_ACTIONS and lanes.has_same_action(event):
            return
        if len(self._arrivals) >= MAX_EVENTS:
            self.has_overflowed = True
            return
        label_bytes = count_label_bytes(event)
        is_too_long = label_bytes > MAX_SHORT_BYTES and self._label_bytes + label_bytes > MAX_LABEL_BYTES
        if is_too_long or self._is_too_much(event):
            self._leave_out(event.container.id)
            return
        if lanes is None:
            lanes = ContainerLanes()
            self._queue.append(lanes)
        arrival = QueuedEvent(event, label_bytes)
        lanes.add(arrival)
        self._arrivals.append(arrival)
        self._label_bytes += label_bytes
        self._waiting_counts[event.container.id] += 1

    def _leave_out(self, container_id: str) -> None:
        if len(self.left_out_ids) < MAX_EVENTS:
            self.left_out_ids.add(container_id)
        else:
            self.has_overflowed = True

    def _is_too_much(self, event: EngineEvent) -> bool:
        key, second = event.container.id, int(event.time)
        if event.action in LIFECYCLE_ACTIONS:
            return self._waiting_counts[key] >= 2 * MAX_WAITING_EVENTS
        before, count = self._rates.get(key, (second, 0))
        self._rates[key] = (second, count + 1 if before == second else 1)
        if len(self._rates) > MAX_EVENTS:
            self._rates = {key: self._rates[key]}
        return self._rates[key][1] > MAX_EVENTS_PER_SECOND or self._waiting_counts[key] >= MAX_WAITING_EVENTS
