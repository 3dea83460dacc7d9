"""The stores of state, and the interfaces for notifications."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from hemostat.core.diagnosis.case import Precedent
from hemostat.core.evidence.snapshot import EvidenceSnapshot
from hemostat.core.history.audit_chain import (
    AcceptedFindings,
    AnchorNotes,
    ChainEnds,
    ChainPosition,
    ChainRow,
    DatabaseStatus,
)
from hemostat.core.history.event_row import EventPage, EventPosition, EventQuery, EventRow
from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit
from hemostat.core.llm.cost_budget import LlmUsage
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import LastNotification, Notification
from hemostat.events import Event


class Ledger(Protocol):
    """Attempts at remediation, by host and container. The policy judges their time-outs, not the ledger."""

    def read(self, host: str, container: str, incident: str = "", key: str = "") -> LedgerSnapshot:
        """Return the ledger of a container, controls included. With the key of a requested attempt and the
        incident to end, what is known of these two is included."""
        ...

    def list_attempts(self, host: str, container: str) -> tuple[Attempt, ...]:
        """Return the attempts on the container of this name, oldest first."""
        ...

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        """Record that a person is stopping the container: `read` returns the stop as long as it can still be
        under way."""
        ...

    def check(self, host: str) -> str:
        """Return a warning about how the ledger is stored, empty for none; called periodically. Entries that
        were lost and are known to this process are written back."""
        ...

    def read_host(self, host: str) -> LedgerSnapshot:
        """Return the whole host, for displays: the latest attempts of all its containers, at least a
        thousand, with what `read` returns about the host. One round trip."""
        ...

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        """Write an intent, or replace one, if the host's ledger is still at `version`. Returns False, with
        nothing written, if it is not."""
        ...

    def finish(self, host: str, attempt: Attempt) -> None:
        """Replace the intent of the same key by its outcome."""
        ...

    def list_raised_limits(self, host: str) -> list[RaisedLimit]:
        """Return the limits that are raised now and are to be restored."""
        ...

    def save_raised_limit(self, host: str, scaled: RaisedLimit) -> None:
        """Store a raised limit. A limit that is raised again is restored to its first value."""
        ...

    def remove_raised_limit(self, host: str, scaled: RaisedLimit) -> bool:
        """Remove the record; False if another process has removed it, or has raised the limit again since."""
        ...


class ControlStore(Protocol):
    """The operators' controls over the responders. They are read with the ledger before every action."""

    def read_controls(self) -> Controls: ...

    def pause(self, container: str, pause: Pause) -> None:
        """Pause remediation. `container` is a name, or ALL_CONTAINERS."""
        ...

    def resume(self, container: str) -> bool:
        """End the pause; False if there was none."""
        ...

    def reset_breaker(self, container: str, now: float) -> None:
        """Close the circuit breaker."""
        ...

    def request_approval(self, approval: Approval) -> Approval:
        """Store an approval request, unless one of its key exists; returns the stored one."""
        ...

    def answer_approval(
        self, approval_id: str, answer: ApprovalAnswer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        """Answer an open request, by its id or the beginning of its id. Returns None if no request has this
        id. One that was answered, or has expired, stays as it is. Raises UsageError where several match."""
        ...

    def withdraw_approval(self, key: str, *, by: str, reason: str, now: float) -> None:
        """Close the open request with this key. One that was answered, or has expired, stays as it is."""
        ...

    def list_approvals(self) -> list[Approval]:
        """Return all requests, oldest first; they are stored for a while after the answer."""
        ...


class RecentEvents(Protocol):
    """All recent events, stored for later queries."""

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Store the events, and return those that were new."""
        ...


class EventStore(RecentEvents, Protocol):
    """A store with queries, whose rows are linked by hashes (core.history.audit_chain)."""

    def find(self, query: EventQuery, *, limit: int | None = None) -> Iterator[EventRow]:
        """Yield matching rows, newest first, at most `limit`."""
        ...

    def find_page(self, query: EventQuery, *, limit: int, before: EventPosition | None = None) -> EventPage:
        """Return the page of the newest `limit` matching rows before a position; 0: all."""
        ...

    def iterate_page(self, query: EventQuery, page: EventPage) -> Iterator[EventRow]:
        """Yield the rows of a page, oldest first, in bounded memory."""
        ...

    def find_incident_rows(self, query: EventQuery) -> Iterator[EventRow]:
        """Yield all rows of the incidents that any matching row belongs to, oldest first."""
        ...

    def find_incident_ids(self, beginning: str) -> list[str]:
        """Return some ids of incidents with this prefix."""
        ...

    def read_ends(self) -> ChainEnds: ...

    def read_status(self) -> DatabaseStatus:
        """Return the state of the database. Raises NothingStoredError where no role has ever written."""
        ...

    def find_write_obstacle(self) -> str:
        """Return why the store cannot be written, found out without writing; empty if it can."""
        ...

    def has_position(self, end: ChainPosition) -> bool:
        """Return whether the trail has that row with that hash, or `remove` removed it."""
        ...

    def get_location(self, host: str) -> str:
        """Return a name of this store, independent of its content. `host` is where a file would be."""
        ...

    def read_row(self, number: int) -> ChainRow | None: ...

    def accept_unsigned(self, number: int) -> None:
        """Allow signed rows after an unsigned row, up to this one."""
        ...

    def open_trail(self) -> AbstractContextManager[tuple[ChainEnds, Iterator[ChainRow]]]:
        """Open the ends and all rows between them, in order, as of one moment."""
        ...

    def find_outdated(
        self, before: float | None, most: int, *, limit: int, size: int = 0
    ) -> ChainPosition | None:
        """Return the last row to remove: of those stored before that time (epoch seconds), or in excess of
        `most` (0: no maximum), within the first `limit` rows. Where all rows take more than `size` bytes (0:
        no maximum; SQLite only), the oldest tenth is in excess. None without such rows."""
        ...

    def remove(self, end: ChainPosition) -> int:
        """Remove the rows up to this one, which becomes the anchor, and return their number."""
        ...

    def compact(self) -> None:
        """Give the space of removed rows back to the disk."""
        ...

    def close(self) -> None: ...


class AuditAnchor(Protocol):
    """Stores the ends of audit trails, apart from the trails."""

    def note_head(self, trail: str, end: ChainPosition) -> None:
        """Note the head. A later one stays."""
        ...

    def note_anchor(self, trail: str, end: ChainPosition) -> None:
        """Note the anchor. A later one stays."""
        ...

    def read_notes(self, trail: str, location: str = "") -> AnchorNotes:
        """Return the notes about the trail, and which trail belongs to the store at this place
        (EventStore.place)."""
        ...

    def note_trail(self, location: str, trail: str) -> None:
        """Note that this trail belongs to the store at this place, unless another one does."""
        ...

    def note_signed(self, trail: str, number: int) -> None:
        """Note that the trail is signed from this row on, unless that is noted already."""
        ...

    def accept_trail(
        self, location: str, ends: ChainEnds, accepted: AcceptedFindings, *, signed: int
    ) -> None:
        """Accept the trail as it is for this place, whatever was noted before. `signed` is the first row that
        must be signed from now on; 0: none."""
        ...


class EvidenceStore(Protocol):
    """Evidence snapshots of incidents: the newest ten, stored for a week."""

    def put(self, incident: str, snapshot: EvidenceSnapshot) -> bool:
        """Store the snapshot; False if one of this occurrence and rung exists. The first one stays: after an
        interruption, an action may have changed the container."""
        ...

    def get(self, incident: str) -> list[EvidenceSnapshot]:
        """Return the snapshots, oldest first; empty where none is stored (any more)."""
        ...


class PrecedentStore(Protocol):
    """Outcomes of earlier remediations, by signature (core.diagnosis.case), and recent advice of models."""

    def add_precedent(self, signature: str, key: str, precedent: Precedent) -> None:
        """Store a remediation's outcome, once for each `key`: the newest 20 of a signature, for 30 days."""
        ...

    def list_precedents(self, signature: str) -> list[Precedent]:
        """Return the precedents, oldest first."""
        ...

    def cache_advice(self, likeness: str, advice: bytes, ttl: float) -> None:
        """Store advice under the cache key `likeness`, for `ttl` seconds."""
        ...

    def get_cached_advice(self, likeness: str) -> bytes | None: ...


class LlmBudget(Protocol):
    """The cost of requests to models, of all analyzers together. core.llm.cost_budget applies the limits."""

    def read(self) -> tuple[int, list[LlmUsage]]:
        """Return the version, which changes with every request, and the costs of at least the last hour."""
        ...

    def take(self, spending: LlmUsage, version: int) -> bool:
        """Record a cost before it is spent, if the budget is still at `version`; False if it is not."""
        ...

    def settle(self, spending: LlmUsage) -> None:
        """Replace a recorded cost by the real one."""
        ...


class Outbox(Protocol):
    """Waiting notifications of every channel, one per incident, stored across restarts.
    core.notify.notification decides what is new, and what replaces what."""

    def put(self, channel: str, notifications: Sequence[tuple[Notification, float]]) -> int:
        """Store these, each until its time (epoch seconds), merged with those that wait. Returns how many
        others were dropped, because more than 10,000 would wait: those of the project that has most."""
        ...

    def take(
        self, channel: str, now: float, *, lease: float, count: int
    ) -> list[tuple[Notification, LastNotification | None]]:
        """Return those that are due, with the channel's last notification of the incident. For `lease`
        seconds no other sender gets them."""
        ...

    def postpone(self, channel: str, notifications: Sequence[Notification], until: float) -> None:
        """Let them wait longer, except those that have been replaced."""
        ...

    def settle(self, channel: str, notifications: Sequence[Notification], *, is_sent: bool) -> None:
        """Remove them, except those that have been replaced. `is_sent`: they were sent, which is remembered
        for a month."""
        ...

    def count_waiting(self, channel: str) -> int:
        """Return how many notifications wait, taken ones included."""
        ...


class Notifier(Protocol):
    """One channel of notifications."""

    def send(self, message: Message) -> None:
        """Send a message. Raises NotifyError."""
        ...


class HealthPing(Protocol):
    """Pings an external service, which alerts when the pings stop."""

    def ping_success(self) -> None:
        """Report that all is well. Raises NotifyError."""
        ...

    def ping_start(self) -> None: ...

    def ping_failure(self, why: str) -> None: ...
