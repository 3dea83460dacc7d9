"""What can be found out about the containers of an incident, now or as it was recorded. It only reads."""

from collections.abc import Sequence
from typing import Protocol

from hemostat.core.diagnosis.case import EvidenceCase
from hemostat.core.evidence.snapshot import ContainerDetails, MetricPoint
from hemostat.events import Container, Event


class EvidenceSource(Protocol):
    """Of the containers of a host. Every method may raise HemoStatError; what it tells holds secrets."""

    def case(self, alert: Event) -> EvidenceCase:
        """The incident of this alert, with what is known at first; without secrets."""
        ...

    def log(self, host: str, container: Container, tail: int) -> str:
        """The last lines."""
        ...

    def processes(self, host: str, container: Container) -> Sequence[str]: ...

    def details(self, host: str, container: Container) -> ContainerDetails: ...

    def history(self, host: str, container: Container) -> Sequence[MetricPoint]:
        """Oldest first."""
        ...

    def story(self, host: str, container: Container) -> Sequence[str]:
        """What was told of it lately, oldest first, a line each."""
        ...
