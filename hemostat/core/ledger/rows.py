"""Rows of the ledger: attempts, raised limits, and what a decision on a request is made on."""

from enum import StrEnum

import msgspec

from hemostat.core.ledger.alert_notes import IncidentNotes
from hemostat.core.ledger.controls import Approval, Controls
from hemostat.events import Action, Outcome, Reason


class Resource(StrEnum):
    """What of a container can be made larger."""

    CPU = "cpu"
    MEMORY = "memory"
    REPLICAS = "replicas"


class RaisedLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit raised for a while: `before` and `after` are cores, bytes or replicas."""

    container: str
    """Its id."""
    resource: Resource
    before: float
    after: float
    time: float
    service: str = ""
    """Id of the swarm service whose replicas they are."""

    @property
    def subject(self) -> str:
        """What is larger: the service where there is one, whichever of its replicas it was raised for."""
        return self.service or self.container

    @property
    def reversed(self) -> "RaisedLimit":
        return msgspec.structs.replace(self, before=self.after, after=self.before)

    def again(self, earlier: "RaisedLimit") -> "RaisedLimit":
        """The same raise after an earlier one: it goes back to where that came from."""
        return msgspec.structs.replace(self, before=earlier.before)


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remediation in the ledger: written as intent before the action, completed after it.

    `key` names the occurrence it answers, so that the same request is never acted on twice. `by` is the
    responder and `lease` the time (epoch seconds) until which it is trusted to be still at work.
    """

    key: str
    container: str
    action: Action
    time: float
    by: str
    lease: float
    renewed: float = 0.0
    """When the lease was last renewed (epoch seconds), 0 for never; it was first taken at `time`."""
    container_id: str = ""
    """Empty for the host itself, and in rows of older versions."""
    stop_seconds: float = 0.0
    """How long the container may take to stop; 0 where it is down already."""
    service: str | None = None
    started_at: float = 0.0
    """The container's start time before the action: a later one proves that it was carried out."""
    scaled: RaisedLimit | None = None
    """What is to be raised, decided before it is done, so that it is not raised twice."""
    tries: int = 1
    """How often the action was begun: once more each time that it was taken up after an interruption."""
    outcome: Outcome | None = None
    reason: Reason | None = None
    finished: float | None = None
    project: str = ""
    """Of its container (core.labels.project); empty where that has none, and in what an earlier version
    wrote."""
    host_fault: bool = False
    """Whether it failed of what says something of the host or its engine, not of this container alone."""
    ran: float = 0.0
    """How long its container's process had run before it failed (seconds)."""


class ManualStop(msgspec.Struct, frozen=True):
    """A person sent a container its stop signal at `time`, and may be waiting for its end until `until`."""

    time: float
    until: float


class LedgerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision on one request is made on, as read at one moment. `version` changes with every
    reservation on the host.

    `attempts` are this container's, oldest first; `running` are all of the host that have no outcome yet, and
    `ended` the latest of the host that have one, oldest first. `controls` and `approval` are people's word:
    on everything, and on this very request.
    """

    version: int
    attempts: tuple[Attempt, ...] = ()
    running: tuple[Attempt, ...] = ()
    ended: tuple[Attempt, ...] = ()
    controls: Controls = Controls()
    approval: Approval | None = None
    patient: str = ""
    """Name of the container that a monitor told of under the request's incident; empty: none did."""
    notes: IncidentNotes = IncidentNotes()
    """What monitors have noted of the request's incident."""
    stopping: ManualStop | None = None
    """Of this container, where a person's stop is known."""
    seal: str = ""
    """Of the order that a person gave under the incident; empty: none did."""
