"""Read-only evidence about the containers of an incident, live or recorded."""

from collections.abc import Sequence
from typing import Protocol

from hemostat.core.diagnosis.case import EvidenceCase
from hemostat.core.evidence.snapshot import ContainerDetails, MetricPoint
from hemostat.events import Container, Event


class EvidenceSource(Protocol):
    """Evidence about the containers of a host. Every method may raise HemoStatError, and may return
    secrets."""

    def build_case(self, alert: Event) -> EvidenceCase:
        """Return the incident of this alert, with its first evidence; without secrets."""
        ...

    def read_log(self, host: str, container: Container, tail: int) -> str:
        """Return the last `tail` lines."""
        ...

    def list_processes(self, host: str, container: Container) -> Sequence[str]: ...

    def read_details(self, host: str, container: Container) -> ContainerDetails: ...

    def read_metrics(self, host: str, container: Container) -> Sequence[MetricPoint]:
        """Return measurements, oldest first."""
        ...

    def describe_recent_events(self, host: str, container: Container) -> Sequence[str]:
        """Return recent events about the container, oldest first, a line each."""
        ...
