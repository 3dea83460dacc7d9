"""Finds the changes that matter to an operator in the stream of all events. Pure.

Measurements and heartbeats arrive all the time. Only those that change a state are changes.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from hemostat.core.history.container_changes import describe_new_container, describe_state_change
from hemostat.core.history.incident_log import LEFT_TO_PEOPLE, find_subject
from hemostat.core.history.role_changes import HOST_SUBJECT, RoleChange, RoleTracker
from hemostat.core.history.sentences import format_event_line
from hemostat.core.ledger.controls import ALL_CONTAINERS
from hemostat.core.model import REMOVED_STATUS
from hemostat.events import (
    ContainerStats,
    Decided,
    Event,
    Heartbeat,
    Order,
    Outcome,
    RemediationComplete,
    State,
)
from hemostat.events.fields import Epoch

UNSEEN_SECONDS: Final = 15.0
"""Seconds without statistics after which a container counts as gone: a monitor sends them every five."""

GENERAL_KINDS: Final = frozenset({"role", "host", "connection"})
ALL_SUBJECT: Final = "all containers"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `time` is epoch seconds. `what` is the type of the event, or container, role, host or
    connection. `subject` is a container's name, or a role's; empty for the host. `needs_person`: HemoStat
    does nothing more until a person acts. `is_single`: it is never joined with others."""

    time: Epoch
    host: str
    subject: str
    what: str
    text: str
    needs_person: bool = False
    is_single: bool = False

    @property
    def is_general(self) -> bool:
        """Whether it concerns more than one container."""
        return self.what in GENERAL_KINDS or self.subject == ALL_SUBJECT


class _LastContainer(msgspec.Struct):
    id: str
    state: State
    at: float
    """When its statistics last arrived (epoch seconds)."""


class ChangeTracker:
    """Keeps the last state of every container and role. `now` is epoch seconds by the clock of this
    machine, never less than before."""

    def __init__(self) -> None:
        self._containers: dict[tuple[str, str], _LastContainer] = {}
        self._roles = RoleTracker()

    def begin(self, last_values: Iterable[Event], now: float) -> None:
        """Note the present state, without any change."""
        for event in last_values:
            self.handle(event, now)

    def resume(self, last_values: Iterable[Event], now: float) -> list[Change]:
        """The changes while nothing could be heard. A container without a last value is gone."""
        self._roles.forgive(now)
        events = list(last_values)
        changes = [change for event in events for change in self.handle(event, now)]
        present = {
            (event.host, event.data.container.name)
            for event in events
            if isinstance(event.data, ContainerStats)
        }
        hosts = {host for host, _ in present}
        lost = [key for key in self._containers if key not in present and key[0] in hosts]
        changes += [self._lose(key, now) for key in lost]
        for each in self._containers.values():
            each.at = now
        return changes

    def handle(self, event: Event, now: float) -> list[Change]:
        match event.data:
            case ContainerStats() as stats:
                text = self._update_container(event.host, stats, now)
                return [] if text is None else [_make(event, stats.container.name, "container", text)]
            case Heartbeat() as beat:
                return [_from_role(each, event.time) for each in self._roles.hear(event.host, beat, now)]
        return [_describe_event(event)]

    def check_time(self, now: float) -> list[Change]:
        """The roles, hosts and containers that have fallen silent."""
        changes = [_from_role(each, now) for each in self._roles.find_silent(now)]
        lost = [
            key
            for key, last in self._containers.items()
            if now - last.at > UNSEEN_SECONDS and self._roles.is_heard(key[0], "monitor")
        ]
        return [*changes, *(self._lose(key, now) for key in lost)]

    def _update_container(self, host: str, stats: ContainerStats, now: float) -> str | None:
        key = host, stats.container.name
        before = self._containers.get(key)
        if stats.state.status == REMOVED_STATUS:
            return None if self._containers.pop(key, None) is None else "removed"
        self._containers[key] = _LastContainer(stats.container.id, stats.state, now)
        if before is None:
            return describe_new_container(stats.state)
        if before.id != stats.container.id:
            return f"recreated, {describe_new_container(stats.state)}"
        return describe_state_change(before.state, stats.state)

    def _lose(self, key: tuple[str, str], now: float) -> Change:
        del self._containers[key]
        text = "no longer reported by the monitor: removed, or no longer watched"
        return Change(time=now, host=key[0], subject=key[1], what="container", text=text)


def _make(event: Event, subject: str, what: str, text: str) -> Change:
    return Change(time=event.time, host=event.host, subject=subject, what=what, text=text)


def _from_role(change: RoleChange, time: float) -> Change:
    is_host = change.role == HOST_SUBJECT
    return Change(
        time=time,
        host=change.host,
        subject="" if is_host else change.role,
        what="host" if is_host else "role",
        text=change.text,
        needs_person=change.fault,
    )


def _describe_event(event: Event) -> Change:
    match event.data:
        case Decided(container=name):
            subject = name
        case _:
            container_kind = find_subject(event)
            subject = container_kind[0].name if container_kind and not container_kind[0].is_host else ""
    asks = isinstance(event.data, RemediationComplete) and event.data.outcome is Outcome.AWAITING_APPROVAL
    return Change(
        time=event.time,
        host=event.host,
        subject=ALL_SUBJECT if subject == ALL_CONTAINERS else subject,
        what=event.type,
        text=format_event_line(event),
        needs_person=asks
        or (isinstance(event.data, RemediationComplete) and event.data.outcome in LEFT_TO_PEOPLE),
        is_single=asks or isinstance(event.data, Order | Decided),
    )
