"""The state at the start of `hemostat watch`, in a few plain lines."""

from collections.abc import Iterator
from typing import Final

import msgspec

from hemostat.cli.status.status import find_waiting, read_status
from hemostat.cli.status.status_tables import format_headline
from hemostat.core.history.changes import Change
from hemostat.core.history.status import IncidentStatus
from hemostat.core.history.waiting_list import WaitingItem, WaitingKind, count_unacknowledged
from hemostat.core.units import show_duration
from hemostat.operator import OperatorCommands
from hemostat.ports import Bus

OWN_KINDS: Final = frozenset({WaitingKind.HOST, WaitingKind.ROLE, WaitingKind.DEAD_LETTERS})
"""Faults of HemoStat itself, which no choice of a container leaves out."""


class WatchFilter(msgspec.Struct, frozen=True):
    """What is shown. Empty: everything. A container's name leaves changes of roles and hosts in: without
    them, silence would look like health."""

    host: str = ""
    container: str = ""

    def includes(self, change: Change) -> bool:
        if change.is_general:
            return not change.host or self._includes_host(change.host)
        return self.includes_container(change.host, change.subject)

    def includes_item(self, item: WaitingItem) -> bool:
        if item.kind in OWN_KINDS:
            return not item.host or self._includes_host(item.host)
        return self.includes_container(item.host, item.subject)

    def includes_container(self, host: str, name: str) -> bool:
        return self._includes_host(host) and self.container in {"", name}

    def _includes_host(self, host: str) -> bool:
        return self.host in {"", host}


def list_summary(bus: Bus, orders: OperatorCommands, chosen: WatchFilter, now: float) -> Iterator[str]:
    """The headline, each open incident, and what else waits for a person. `now`: epoch seconds."""
    status = read_status(bus, now, orders.read_overview)
    items = find_waiting(bus, orders, status, now)
    yield format_headline(status, count_unacknowledged(items))
    several = len({each.host for each in status.containers}) > 1
    commands = {item.id: item.command for item in items if item.id}
    for incident in status.incidents:
        if chosen.includes_container(incident.host, incident.container):
            yield _describe_incident(incident, commands.pop(incident.incident, ""), several=several)
    for item in items:
        if chosen.includes_item(item) and (not item.id or item.id in commands):
            where = f"{item.host}/{item.subject}" if several and item.host else item.subject
            yield f"waits for you: {item.kind}, {where}: {item.why}; settle it with: {item.command}"
    if chosen.container and not any(
        chosen.includes_container(each.host, each.name) for each in status.containers
    ):
        yield f"no container {chosen.container} is watched now"


def _describe_incident(incident: IncidentStatus, command: str, *, several: bool) -> str:
    """`command` settles an incident that is left to people, else empty."""
    name = f"{incident.host}/{incident.container}" if several else incident.container
    note = f", acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else ""
    parts = [incident.problem] if incident.last == incident.problem else [incident.problem, incident.last]
    parts += [f"settle it with: {command}"] if command else []
    text = "; ".join(parts)
    return f"open incident: {name}, {incident.status}{note}, for {show_duration(incident.age)}: {text}"
