"""Operators' controls: pauses, resets of circuit breakers, and answers to approval requests. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.units import show_duration
from hemostat.errors import UsageError
from hemostat.events import Action, Epoch

MIN_PREFIX_CHARACTERS: Final = 4
"""Characters of the beginning of an id that stand for the id where people type it. A shorter text is more
likely the name of a container, such as `db`."""
ALL_CONTAINERS: Final = "*"
"""Stands for all containers of all hosts in place of a container's name."""
UNREADABLE_PAUSE_AUTHOR: Final = "an entry that cannot be read"
"""Stands for who set a pause that cannot be read, and so stays in force."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch: no action runs before `until` (epoch seconds; None: until the pause is lifted)."""

    by: str
    at: Epoch
    until: Epoch | None = None
    reason: str = ""


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """`pauses` and `resets` are by container name, ALL_CONTAINERS for all. A reset is the time at which an
    operator closed the circuit breaker: earlier failures do not count."""

    pauses: Mapping[str, Pause] = {}
    resets: Mapping[str, float] = {}

    def find_pause(self, container: str, now: float) -> Pause | None:
        pauses = (self.pauses.get(name) for name in (ALL_CONTAINERS, container))
        return next((pause for pause in pauses if pause and is_pause_active(pause, now)), None)

    def is_paused_itself(self, container: str, now: float) -> bool:
        """Return whether this container is paused by its own name."""
        pause = self.pauses.get(container)
        return pause is not None and is_pause_active(pause, now)

    def describe_unreadable_pauses(self, now: float) -> str:
        """Return the pauses that cannot be read, and so stay in force, in one line; empty without any. Only
        they are a fault: a person set the others."""
        names = sorted(
            name
            for name, pause in self.pauses.items()
            if pause.by == UNREADABLE_PAUSE_AUTHOR and is_pause_active(pause, now)
        )
        return ", ".join(
            describe_pause("paused" if name == ALL_CONTAINERS else f"{name} paused", self.pauses[name], now)
            for name in names
        )

    def get_reset_time(self, container: str) -> float:
        """Return when an operator last closed the container's circuit breaker (epoch seconds); 0 if never."""
        return max(self.resets.get(ALL_CONTAINERS, 0.0), self.resets.get(container, 0.0))


def describe_pause(subject: str, pause: Pause, now: float) -> str:
    time_left = "" if pause.until is None else f" for another {show_duration(pause.until - now)}"
    why = f" ({pause.reason})" if pause.reason else ""
    return f"{subject} by {pause.by}{time_left}{why}"


def is_pause_active(pause: Pause, now: float) -> bool:
    return pause.until is None or now < pause.until


class ApprovalAnswer(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for an operator's answer, and the answer. `id` is short, for people; `key` is the
    ledger's. Without an answer by `until` the request is rejected. `by` without an answer is the
    responder that withdrew the request."""

    id: str
    key: str
    incident: str
    host: str
    container: str
    action: Action
    plan: str = ""
    """What exactly will be done."""
    cause: str = ""
    request: str = ""
    """Id of the event with the request."""
    asked: Epoch
    until: Epoch
    answer: ApprovalAnswer | None = None
    by: str = ""
    answered: Epoch = 0.0
    reason: str = ""

    @property
    def is_withdrawn(self) -> bool:
        """Whether HemoStat withdrew the request, because the action will not be done."""
        return self.answer is None and bool(self.by)

    @property
    def answer_seconds(self) -> float:
        """Seconds until the answer; 0 without one."""
        return 0.0 if self.answer is None else max(0.0, self.answered - self.asked)

    def is_open(self, now: float) -> bool:
        return self.answer is None and not self.by and now < self.until

    def withdraw(self, *, by: str, reason: str, now: float) -> "Approval":
        """Return the request without the possibility to answer it. Earlier versions read it as expired."""
        return msgspec.structs.replace(self, until=min(self.until, now), by=by, reason=reason)

    def describe_end(self) -> str:
        """Return why the request can no longer be answered."""
        if self.answer is not None:
            return f"{self.answer} by {self.by}"
        return f"HemoStat withdrew it: {self.reason}" if self.is_withdrawn else "it has expired"


def find_approval(approvals: Iterable[Approval], name: str, now: float) -> Approval | None:
    """Return the request with this id, else the only open one whose id begins with the name.

    Raises UsageError where several match: an answer must not reach another request.
    """
    known = list(approvals)
    matches = [each for each in known if each.id == name]
    if not matches and len(name) >= MIN_PREFIX_CHARACTERS:
        matches = [each for each in known if each.id.startswith(name) and each.is_open(now)]
    if len(matches) > 1:
        raise UsageError(
            f"{len(matches)} requests for approval match {name!r}", hint="see: hemostat approvals"
        )
    return matches[0] if matches else None
