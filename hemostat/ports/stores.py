"""What is remembered, and who is told."""

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
from hemostat.core.history.event_row import EventQuery, EventRow
from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop, RaisedLimit
from hemostat.core.llm.budget import LlmUsage
from hemostat.core.notify.message import Message
from hemostat.core.notify.notification import LastNotification, Notification
from hemostat.events import Event


class Ledger(Protocol):
    """Attempts at remediation, by host and container. Time-outs are policy's business, not the ledger's."""

    def read(self, host: str, container: str, incident: str = "", key: str = "") -> LedgerSnapshot:
        """All that is known, people's word included; where somebody asks for the attempt of this key, to end
        this incident, what is known of these two as well."""
        ...

    def attempts(self, host: str, container: str) -> tuple[Attempt, ...]:
        """Those on one container, oldest first, by name."""
        ...

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        """A person is stopping it: `read` tells of that until the stop cannot last any longer."""
        ...

    def check(self, host: str) -> str:
        """What people should know of how the ledger is kept, asked now and then; empty for nothing. What was
        lost and is known to this process is written back."""
        ...

    def survey(self, host: str) -> LedgerSnapshot:
        """The whole host, for whoever looks on: the latest attempts of all its containers, a thousand at
        least, with what `read` tells of the host. In one round trip."""
        ...

    def reserve(self, host: str, attempt: Attempt, version: int) -> bool:
        """Write an intent, or write one anew, if the host's book is still at `version`; False if it is not,
        and nothing done."""
        ...

    def finish(self, host: str, attempt: Attempt) -> None:
        """Replace the intent of the same key by its outcome."""
        ...

    def scaled(self, host: str) -> list[RaisedLimit]:
        """What is raised now and is to come back down."""
        ...

    def keep_scaled(self, host: str, scaled: RaisedLimit) -> None:
        """What is raised again goes back to where it was first."""
        ...

    def drop_scaled(self, host: str, scaled: RaisedLimit) -> bool:
        """Take the record off; False if somebody else has done so, or has raised it again since."""
        ...


class ControlStore(Protocol):
    """Where people tell the responders what they may do. Before every action it is read with the ledger."""

    def controls(self) -> Controls: ...

    def pause(self, container: str, pause: Pause) -> None:
        """`container` is a name, or EVERYTHING."""
        ...

    def resume(self, container: str) -> bool:
        """Lift the pause; False if there was none."""
        ...

    def reset(self, container: str, now: float) -> None:
        """Close the breaker."""
        ...

    def ask(self, approval: Approval) -> Approval:
        """Put a request on the desk, unless one of its key is there; the one that is there."""
        ...

    def answer(
        self, approval_id: str, answer: ApprovalAnswer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        """Answer a request that is open; None if there is none of this id. One that was answered, or whose
        time is up, stays as it is."""
        ...

    def approvals(self) -> list[Approval]:
        """All on the desk, oldest first; they are kept for a while after the answer."""
        ...


class RecentEvents(Protocol):
    """Every event, kept for people who ask later."""

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Keep the events; those that were not kept before."""
        ...

    def has_event(self, event_id: str) -> bool: ...


class EventStore(RecentEvents, Protocol):
    """A store that can be asked, and whose rows are bound to each other (core.history.audit_chain)."""

    def find(self, wanted: EventQuery, *, limit: int | None = None) -> Iterator[EventRow]:
        """Newest first, the newest `limit` of them."""
        ...

    def incidents(self, wanted: EventQuery) -> list[EventRow]:
        """All that was said of the incidents that any record asked for belongs to, oldest first."""
        ...

    def named(self, beginning: str) -> list[str]:
        """Ids of incidents that begin so; some of them."""
        ...

    def ends(self) -> ChainEnds: ...

    def condition(self) -> DatabaseStatus:
        """NothingStoredError where no role has ever written."""
        ...

    def objection(self) -> str:
        """Why it cannot be written, found out without writing; empty: it can."""
        ...

    def bears(self, end: ChainPosition) -> bool:
        """Whether the trail has that row with that hash, or had it removed by `remove`."""
        ...

    def place(self, host: str) -> str:
        """Names this store apart from what is in it; `host` is where a file would be."""
        ...

    def row(self, number: int) -> ChainRow | None: ...

    def accept_unsigned(self, number: int) -> None:
        """Rows that are stored may be signed although the row before them, up to this one, is not."""
        ...

    def trail(self) -> AbstractContextManager[tuple[ChainEnds, Iterator[ChainRow]]]:
        """The ends and all rows between them, in order, as they are at one moment."""
        ...

    def outdated(self, before: float | None, most: int, *, limit: int) -> ChainPosition | None:
        """The last of the oldest rows that were kept before that time (epoch seconds), or are more than
        `most` (0: any number), up to `limit` rows from the beginning; None if there are none."""
        ...

    def remove(self, end: ChainPosition) -> int:
        """Remove the rows up to this one, which becomes the anchor; how many."""
        ...

    def compact(self) -> None:
        """Give the space of what was removed back to the disk."""
        ...

    def close(self) -> None: ...


class AuditAnchor(Protocol):
    """Where the ends of audit trails are noted, apart from the trails."""

    def note_head(self, trail: str, end: ChainPosition) -> None:
        """One that is further on stays."""
        ...

    def note_anchor(self, trail: str, end: ChainPosition) -> None:
        """One that is further on stays."""
        ...

    def noted(self, trail: str, place: str = "") -> AnchorNotes:
        """What is noted of the trail, and which trail belongs to the store at this place (Records.place)."""
        ...

    def note_trail(self, place: str, trail: str) -> None:
        """This trail belongs to the store at this place, unless another one does."""
        ...

    def note_signed(self, trail: str, number: int) -> None:
        """From this row on the trail is signed, unless that is noted already."""
        ...

    def accept(self, place: str, ends: ChainEnds, accepted: AcceptedFindings, *, signed: int) -> None:
        """The trail belongs to this place and is in order as it is, whatever was noted before. `signed` is
        the first row that must be signed from now on; 0: none."""
        ...


class EvidenceStore(Protocol):
    """The evidence kept with an incident: for a week, the newest ten dossiers."""

    def put(self, incident: str, dossier: EvidenceSnapshot) -> bool:
        """Keep the dossier; False if there is one of this occurrence and rung: the first one stays, for after
        an interruption the container may have been acted upon."""
        ...

    def get(self, incident: str) -> list[EvidenceSnapshot]:
        """Oldest first; none where nothing was kept, or not any more."""
        ...


class PrecedentStore(Protocol):
    """What came of remediations, by signature (core.diagnosis.case), and what models have advised lately."""

    def remember(self, signature: str, key: str, past: Precedent) -> None:
        """Keep a remediation's end, once for each `key`; the newest 20 of a signature, for 30 days."""
        ...

    def past(self, signature: str) -> list[Precedent]:
        """Oldest first."""
        ...

    def keep(self, likeness: str, advice: bytes, ttl: float) -> None:
        """Advice for incidents just like this one, for `ttl` seconds."""
        ...

    def advice(self, likeness: str) -> bytes | None: ...


class LlmBudget(Protocol):
    """What requests to models have cost, of all analyzers together. Limits are core.llm.budget's business."""

    def read(self) -> tuple[int, list[LlmUsage]]:
        """The version, which changes with every request, and the spendings of the last hour at least."""
        ...

    def take(self, spending: LlmUsage, version: int) -> bool:
        """Write it down before it is spent, if the purse is still at `version`; False if it is not."""
        ...

    def settle(self, spending: LlmUsage) -> None:
        """Replace what was taken by what it was in the end."""
        ...


class Outbox(Protocol):
    """What every channel is to be told, one word an incident, kept over restarts. What is news, and what
    takes the place of what, is core.notify.notification's business."""

    def put(self, channel: str, words: Sequence[tuple[Notification, float]]) -> int:
        """Let these wait, each until its time (epoch seconds), merged with what waits there; how many others
        were dropped, for more than 10,000 would wait."""
        ...

    def take(
        self, channel: str, now: float, *, lease: float, count: int
    ) -> list[tuple[Notification, LastNotification | None]]:
        """Those that are due, with what the channel was last told of the incident; for `lease` seconds nobody
        else is given them."""
        ...

    def put_off(self, channel: str, words: Sequence[Notification], until: float) -> None:
        """Let them wait longer, those alone that nothing has taken the place of."""
        ...

    def settle(self, channel: str, words: Sequence[Notification], *, told: bool) -> None:
        """They are done with, unless something has taken their place; `told`: people have heard them, which
        is remembered for a month."""
        ...

    def waiting(self, channel: str) -> int:
        """How many words wait, those that are taken included."""
        ...


class Notifier(Protocol):
    """One channel to people."""

    def send(self, message: Message) -> None:
        """Raises NotifyError."""
        ...


class HealthPing(Protocol):
    """Somebody outside, who tells people when it is not heard of any more."""

    def beat(self) -> None:
        """All is well. Raises NotifyError."""
        ...

    def start(self) -> None: ...

    def fail(self, why: str) -> None: ...
