"""Rows of the ledger: attempts, raised limits, and the snapshot from which a request is decided."""

from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.ledger.alert_notes import IncidentNotes
from hemostat.core.ledger.controls import Approval, Controls
from hemostat.events import Action, Container, Epoch, Outcome, Reason


class Resource(StrEnum):
    """A resource of a container that can be raised."""

    CPU = "cpu"
    MEMORY = "memory"
    REPLICAS = "replicas"


class RaisedLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit that was raised temporarily. `before` and `after` are cores, bytes or replicas."""

    container: str
    """Id of the container."""
    resource: Resource
    before: float
    after: float
    time: Epoch
    service: str = ""
    """Id of the swarm service with the replicas."""

    @property
    def subject(self) -> str:
        """Id of what was raised: the service of the replicas if there is one, otherwise the container."""
        return self.service or self.container

    @property
    def inverse(self) -> "RaisedLimit":
        return msgspec.structs.replace(self, before=self.after, after=self.before)

    def repeat_after(self, earlier: "RaisedLimit") -> "RaisedLimit":
        """Return this raise after an earlier one, so that it reverts to the earlier `before`."""
        return msgspec.structs.replace(self, before=earlier.before)


RELEASED: Final = ""
"""Stands for the responder of an attempt that a responder left when it was stopped."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remediation in the ledger: written as an intent before the action, completed after it.

    `key` names the occurrence that the attempt answers, so that the same request is never acted on twice.
    `by` is the responder. `lease` is the time (epoch seconds) until which the responder is trusted to be
    still working.
    """

    key: str
    container: str
    action: Action
    time: Epoch
    by: str
    """The responder that works on the attempt; RELEASED where none does and any may resume it."""
    lease: Epoch
    renewed: Epoch = 0.0
    """When the lease was last renewed (epoch seconds), 0 for never. It was first taken at `time`."""
    container_id: str = ""
    """Empty for the host itself, and in rows of older versions."""
    stop_seconds: float = 0.0
    """Seconds that the container may take to stop; 0 if it is already down."""
    verify_seconds: float = 0.0
    """Maximum seconds of the verification; 0 in rows of earlier versions."""
    service: str | None = None
    started_at: Epoch = 0.0
    """The container's start time before the action. A later one proves that the action was carried out."""
    scaled: RaisedLimit | None = None
    """The limit to raise, recorded before the action so that it is not raised twice."""
    tries: int = 1
    """How often the action was begun. It is begun again after each interruption."""
    outcome: Outcome | None = None
    reason: Reason | None = None
    finished: Epoch | None = None
    project: str = ""
    """The container's project (core.labels.project); empty without one, and in rows of earlier versions."""
    host_fault: bool = False
    """Whether the reason of the failure concerns the host or its engine, not only this container."""
    ran: float = 0.0
    """Seconds that the container's process had run before it failed."""
    acted: bool = False
    """Whether the container was acted on although the outcome says that the action did not apply."""
    ordered: bool = False
    """Whether a person ordered the action. False in rows of earlier versions."""

    def is_on(self, container: Container) -> bool:
        """Whether the attempt is on this container. A container may have the name of the host, but not the
        host an id."""
        return self.container == container.name and not (container.is_host and self.container_id)


class ManualStop(msgspec.Struct, frozen=True):
    """A user sent a container its stop signal at `time`, and may be waiting for its end until `until`."""

    time: float
    until: float


class LedgerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The data from which one request is decided, read at one moment. `version` changes with every
    reservation on the host.

    `attempts` are this container's, oldest first. `running_attempts` are all attempts of the host without an
    outcome, and `ended_attempts` the host's latest with an outcome, oldest first. `controls` are the
    operators' pauses and resets, `approval` is their answer to this request.
    """

    version: int
    attempts: tuple[Attempt, ...] = ()
    running_attempts: tuple[Attempt, ...] = ()
    ended_attempts: tuple[Attempt, ...] = ()
    controls: Controls = Controls()
    approval: Approval | None = None
    alerted_container: str = ""
    """Name of the container that a monitor noted for the request's incident; empty if no monitor did."""
    notes: IncidentNotes = IncidentNotes()
    """The monitors' notes about the request's incident."""
    manual_stop: ManualStop | None = None
    """A user's stop of this container, if known."""
    seal: str = ""
    """Seal of the order that an operator gave for the incident; empty if there is no order."""

    def restrict_to(self, container: Container) -> "LedgerSnapshot":
        """Return the snapshot without attempts of a container that only has the same name."""
        own = tuple(each for each in self.attempts if each.is_on(container))
        return self if own == self.attempts else msgspec.structs.replace(self, attempts=own)
