"""The register of open incidents: one a container and kind while it lasts, told by its transitions."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from hemostat.events import Container, Evidence, HealthAlert, Kind, Phase, Severity, incident_id

WARNINGS: Final = frozenset({Kind.CPU_HIGH, Kind.MEMORY_HIGH, Kind.DISK_HIGH})


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """`since` is when its latest occurrence began; the id is of the first."""

    id: str
    kind: Kind
    container: Container
    since: float
    occurrence: int = 1


Told = tuple[str, HealthAlert]
"""An incident's id, and the alert that tells its transition."""


class Register:
    def __init__(self, host: str, incidents: Iterable[Incident] = ()) -> None:
        self._host = host
        self._open = {(incident.container.id, incident.kind): incident for incident in incidents}

    def __iter__(self) -> Iterator[Incident]:
        return iter(tuple(self._open.values()))

    def __contains__(self, key: tuple[str, Kind]) -> bool:
        return key in self._open

    def opened(
        self,
        container: Container,
        kind: Kind,
        *,
        since: float,
        window: float = 0.0,
        evidence: Iterable[Evidence] = (),
    ) -> Told:
        """The condition began, or began once more before it was over."""
        earlier = self._open.get((container.id, kind))
        if earlier is None:
            name = incident_id(self._host, container.id, kind, since)
            incident = Incident(id=name, kind=kind, container=container, since=since)
        else:
            incident = msgspec.structs.replace(earlier, since=since, occurrence=earlier.occurrence + 1)
        self._open[container.id, kind] = incident
        return _told(incident, Phase.RAISED, window, tuple(evidence))

    def closed(self, container_id: str, kinds: Collection[Kind] = tuple(Kind)) -> list[Told]:
        """The condition is over, for those of `kinds` that were open."""
        over = (self._open.pop((container_id, kind), None) for kind in kinds)
        return [_told(incident, Phase.CLEARED) for incident in over if incident is not None]


def _told(incident: Incident, phase: Phase, window: float = 0.0, evidence: tuple[Evidence, ...] = ()) -> Told:
    return incident.id, HealthAlert(
        container=incident.container,
        kind=incident.kind,
        severity=Severity.WARNING if incident.kind in WARNINGS else Severity.CRITICAL,
        since=incident.since,
        phase=phase,
        occurrence=incident.occurrence,
        window=window,
        evidence=evidence,
    )
