"""Keeps the register of incidents: one per container and kind while it lasts, reported at each transition.

A failure that returns soon after its end is a relapse of the same incident, so that an action that was tried
is not tried again. For that reason ended incidents are remembered for a while.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.bounds import limit_evidence
from hemostat.core.dependencies.root_cause import OWN_FAULT, HoldReason, RootCause
from hemostat.events import Container, Evidence, HealthAlert, Kind, Phase, Severity, incident_id

CRITICAL_KINDS: Final = frozenset(
    {Kind.EXITED, Kind.CRASH_LOOP, Kind.OOM, Kind.UNHEALTHY, Kind.HUNG, Kind.MEMORY_LEAK, Kind.STORM}
)
MAX_DOWNSTREAM: Final = 20
"""Names of containers that depend on the failing one, in one alert."""


class IncidentEnd(StrEnum):
    """Why an incident is over although its condition has not ended: a fact of the alert that clears it."""

    REMOVED = "removed"
    STOPPED = "stopped"
    REPLACED = "replaced"
    """Its orchestrator runs another container instead."""
    RENAMED = "renamed"
    SUPERSEDED = "superseded"
    """Another incident of the container describes its failure from now on."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A failure of a container. `since` is when the latest occurrence began. The id comes from the first."""

    id: str
    kind: Kind
    container: Container
    since: float
    occurrence: int = 1
    window: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    held: HoldReason | None = None
    ended: float = 0.0
    """When the incident ended (epoch seconds); 0 while it is open, and until the time is known."""
    raised: float = 0.0
    """When the latest occurrence was raised (epoch seconds); 0 until the time is known."""

    @property
    def is_never_reached(self) -> bool:
        """Whether a probe has never reached the container, and so says nothing about it."""
        return any(item.name == "never_reached" for item in self.evidence)

    @property
    def key(self) -> tuple[str, Kind]:
        return self.container.id, self.kind


IncidentAlert = tuple[str, HealthAlert]
"""An incident's id, and the alert that reports its transition."""


class IncidentRegister:
    def __init__(
        self,
        host: str,
        incidents: Iterable[Incident] = (),
        *,
        ended_incidents: Iterable[Incident] = (),
        relapse_window: float = 0.0,
    ) -> None:
        """`incidents` are open. `ended_incidents` are over and may be reopened for `relapse_window`
        seconds."""
        self._host = host
        self._relapse_window = relapse_window
        self._open_incidents = {
            each.key: msgspec.structs.replace(each, raised=each.raised or each.since) for each in incidents
        }
        self._ended_incidents = {incident.key: incident for incident in ended_incidents}

    def __iter__(self) -> Iterator[Incident]:
        return iter(tuple(self._open_incidents.values()))

    def __contains__(self, key: tuple[str, Kind]) -> bool:
        return key in self._open_incidents

    @property
    def ended(self) -> tuple[Incident, ...]:
        """Ended incidents that may be reopened."""
        return tuple(self._ended_incidents.values())

    def expire(self, now: float) -> None:
        """Note the time of new occurrences, and remove incidents that ended longer ago than the relapse
        window."""
        for each in self:
            if not each.raised:
                self._open_incidents[each.key] = msgspec.structs.replace(each, raised=now)
        ended_incidents = (
            each if each.ended else msgspec.structs.replace(each, ended=now)
            for each in self._ended_incidents.values()
        )
        self._ended_incidents = {
            each.key: each for each in ended_incidents if abs(now - each.ended) < self._relapse_window
        }

    def list_open(self, container_id: str) -> list[Incident]:
        return [
            incident for incident in self._open_incidents.values() if incident.container.id == container_id
        ]

    def open_incident(
        self,
        container: Container,
        kind: Kind,
        *,
        since: float,
        window: float = 0.0,
        evidence: Iterable[Evidence] = (),
        cause: RootCause = OWN_FAULT,
        downstream: tuple[str, ...] = (),
        relapsed: bool = True,
    ) -> IncidentAlert:
        """Open an incident, or add an occurrence to one. A condition that returns is a relapse, unless
        `relapsed` is false: the condition was reported before and never ended."""
        earlier = self._open_incidents.get((container.id, kind)) or self._pop_relapsed(
            (container.id, kind), since
        )
        name = earlier.id if earlier else incident_id(self._host, container.id, kind, since)
        incident = Incident(
            id=name,
            kind=kind,
            container=container,
            since=since,
            occurrence=earlier.occurrence + 1 if earlier else 1,
            window=window,
            evidence=limit_evidence(evidence),
            held=cause.hold_reason,
        )
        self._open_incidents[incident.key] = incident
        alert = msgspec.structs.replace(
            _build_alert(incident, Phase.RAISED),
            window=window,
            evidence=(*incident.evidence, *limit_evidence(cause.evidence)),
            root=cause.root,
            downstream=downstream[:MAX_DOWNSTREAM],
            downstream_count=len(downstream),
            relapsed=relapsed and earlier is not None,
        )
        return name, alert

    def close_incidents(
        self,
        container_id: str,
        kinds: Collection[Kind] = tuple(Kind),
        end: IncidentEnd | None = None,
        *,
        describe: Callable[[Incident], tuple[Evidence, ...]] = lambda _: (),
    ) -> list[IncidentAlert]:
        """Close the open incidents of these `kinds`, and return their alerts, which name the `end` if it is
        not that the condition has ended, and the facts that `describe` returns."""
        open_incidents = (self._open_incidents.pop((container_id, kind), None) for kind in kinds)
        over = [incident for incident in open_incidents if incident is not None]
        self._ended_incidents |= {incident.key: incident for incident in over}
        ends = () if end is None else (Evidence(end, value=True),)
        return [
            (incident.id, _build_alert(incident, Phase.CLEARED, (*ends, *describe(incident))))
            for incident in over
        ]

    def forget(self, container_id: str) -> None:
        """Remove the ended incidents of a container that is gone. A new container may get its name."""
        self._ended_incidents = {
            key: each for key, each in self._ended_incidents.items() if key[0] != container_id
        }

    def _pop_relapsed(self, key: tuple[str, Kind], since: float) -> Incident | None:
        earlier = self._ended_incidents.pop(key, None)
        if earlier is None or self._relapse_window <= 0:
            return None
        return None if earlier.ended and since - earlier.ended >= self._relapse_window else earlier


def _build_alert(incident: Incident, phase: Phase, evidence: tuple[Evidence, ...] = ()) -> HealthAlert:
    return HealthAlert(
        container=incident.container,
        kind=incident.kind,
        severity=Severity.CRITICAL if incident.kind in CRITICAL_KINDS else Severity.WARNING,
        since=incident.since,
        phase=phase,
        occurrence=incident.occurrence,
        evidence=evidence,
    )
