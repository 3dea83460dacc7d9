"""Limits how many alerts enter the bus: per container in a minute, for all new containers together, and for
the host.

Every role processes each alert, and an alert is stored for a long time. Labels may switch the detection of
flapping off, and a container may be created repeatedly under new names. Alerts beyond the rate wait, and only
the latest alert of each incident is kept: the current state is sent later, the steps in between are left out.
An incident that began and ended while its alert waited is not sent. An alert that is sent says how many were
left out.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.labels.project import get_project, take_turns
from hemostat.core.text import list_names
from hemostat.events import Container, Evidence, HealthAlert, Phase

MINUTE_SECONDS: Final = 60.0
MAX_CONTAINER_ALERTS: Final = 20
"""Alerts per minute."""
MAX_NEW_IMAGE_ALERTS: Final = 300
"""Alerts per minute for new containers of one project and image. An engine creates about as many containers
in that time, so a project that runs many short containers gets an alert for each."""
MAX_NEW_CONTAINER_ALERTS: Final = 1200
"""Alerts per minute for all new containers. A container is new in its first minute."""
MAX_HOST_ALERTS: Final = 600
"""Alerts per minute of a host, beyond which each container has only CROWDED_CONTAINER_ALERTS. A limit of the
host alone would delay the first alert of a container because of others."""
CROWDED_CONTAINER_ALERTS: Final = 4
HOST_KEY: Final = ("every", "container", "together")

IsNew = Callable[[Container], bool]


class WaitingAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest alert of an incident. `raised`: whether the bus has the incident as raised."""

    incident: str
    alert: HealthAlert
    raised: bool = False


class AlertRate:
    """Admits alerts within the limits and keeps the others. `is_new` returns whether a container was created
    less than a minute ago."""

    def __init__(self, is_new: IsNew) -> None:
        self._is_new = is_new
        self._sent_times: dict[tuple[str, ...], deque[float]] = {}
        self._waiting_alerts: dict[str, WaitingAlert] = {}
        self._left_out_counts: Counter[str] = Counter()
        """Number of alerts left out, by container, since its last alert."""
        self._names: dict[str, str] = {}
        """Names of the containers whose alerts wait or were left out."""

    @property
    def waiting_alerts(self) -> tuple[WaitingAlert, ...]:
        return tuple(self._waiting_alerts.values())

    def restore(self, waiting_alerts: Iterable[WaitingAlert]) -> None:
        self._waiting_alerts = {each.incident: each for each in waiting_alerts}

    def admit(self, alerts: Iterable[IncidentAlert], now: float) -> list[IncidentAlert]:
        """Return the alerts to send now, and keep the others."""
        admitted = []
        for incident, alert in alerts:
            if incident in self._waiting_alerts or not self._may_send(alert.container, now):
                self._hold(incident, alert)
            else:
                admitted.append((incident, self._send(alert, now)))
        return admitted

    def take_due(self, now: float) -> list[IncidentAlert]:
        """Return the waiting alerts to send now. Containers take turns."""
        self._forget_old(now)
        due_alerts = []
        for each in take_turns(
            self._waiting_alerts.values(), lambda each: _get_group_key(each.alert.container)
        ):
            if self._may_send(each.alert.container, now):
                del self._waiting_alerts[each.incident]
                due_alerts.append((each.incident, self._send(each.alert, now)))
        return due_alerts

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self._names:
            return ()
        names = list_names(set(self._names.values()))
        return (
            f"too many alerts of {names}: only the latest of each incident is sent, within about a minute",
        )

    def _hold(self, incident: str, alert: HealthAlert) -> None:
        self._names[alert.container.id] = alert.container.name
        earlier = self._waiting_alerts.get(incident)
        raised = earlier.raised if earlier is not None else _was_raised(alert)
        self._left_out_counts[alert.container.id] += earlier is not None
        if alert.phase is Phase.CLEARED and not raised:
            self._left_out_counts[alert.container.id] += 1
            self._waiting_alerts.pop(incident, None)
        else:
            self._waiting_alerts[incident] = WaitingAlert(incident=incident, alert=alert, raised=raised)

    def _send(self, alert: HealthAlert, now: float) -> HealthAlert:
        for key in [HOST_KEY, *(key for key, _ in self._list_limits(alert.container, now))]:
            self._sent_times.setdefault(key, deque()).append(now)
        if alert.phase is Phase.CLEARED or not (count := self._left_out_counts.pop(alert.container.id, 0)):
            return alert
        evidence = (*alert.evidence, Evidence("alerts_left_out", count))
        return msgspec.structs.replace(alert, evidence=evidence)

    def _may_send(self, container: Container, now: float) -> bool:
        return all(self._count_recent(key, now) < most for key, most in self._list_limits(container, now))

    def _list_limits(self, container: Container, now: float) -> list[tuple[tuple[str, ...], int]]:
        """Return no limits for the host itself, which has few alerts."""
        if container.is_host:
            return []
        crowded = self._count_recent(HOST_KEY, now) >= MAX_HOST_ALERTS
        own = CROWDED_CONTAINER_ALERTS if crowded else MAX_CONTAINER_ALERTS
        limits: list[tuple[tuple[str, ...], int]] = [((container.id,), own)]
        if self._is_new(container):
            limits += [(_get_group_key(container), MAX_NEW_IMAGE_ALERTS), ((), MAX_NEW_CONTAINER_ALERTS)]
        return limits

    def _count_recent(self, key: tuple[str, ...], now: float) -> int:
        """Count the alerts of the last minute, without later times from before the clock was set back."""
        sent_times = self._sent_times.get(key, deque())
        while sent_times and not 0 <= now - sent_times[0] < MINUTE_SECONDS:
            sent_times.popleft()
        return len(sent_times)

    def _forget_old(self, now: float) -> None:
        self._sent_times = {
            key: sent_times for key, sent_times in self._sent_times.items() if self._count_recent(key, now)
        }
        waiting_ids = {each.alert.container.id for each in self.waiting_alerts}
        kept_keys = {key for key in self._names if key in waiting_ids or (key,) in self._sent_times}
        kept_keys -= {key for key in kept_keys - waiting_ids if not self._left_out_counts[key]}
        self._names = {key: self._names[key] for key in kept_keys}
        self._left_out_counts = Counter({key: self._left_out_counts[key] for key in kept_keys})


def _get_group_key(container: Container) -> tuple[str, ...]:
    return get_project(container), container.image


def _was_raised(alert: HealthAlert) -> bool:
    """Return whether the bus has the incident as raised, before this alert."""
    return alert.phase is Phase.CLEARED or (alert.occurrence > 1 and not alert.relapsed)
