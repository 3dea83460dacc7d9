"""What people have told HemoStat: pauses, resets of breakers, and answers to requests for approval. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from hemostat.core.units import show_duration
from hemostat.events import Action

ALL_CONTAINERS: Final = "*"
"""Stands for all containers of all hosts where a container is named."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch: nothing is done until `until` (epoch seconds), None for until it is lifted."""

    by: str
    at: float
    until: float | None = None
    reason: str = ""


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """`pauses` and `resets` are by container name, EVERYTHING for all. A reset is when somebody closed the
    breaker: failures before it do not count."""

    pauses: Mapping[str, Pause] = {}
    resets: Mapping[str, float] = {}

    def paused(self, container: str, now: float) -> Pause | None:
        found = (self.pauses.get(name) for name in (ALL_CONTAINERS, container))
        return next((pause for pause in found if pause and is_pause_active(pause, now)), None)

    def paused_itself(self, container: str, now: float) -> bool:
        """Whether it is this very container that is paused."""
        pause = self.pauses.get(container)
        return pause is not None and is_pause_active(pause, now)

    def notice(self, now: float) -> str:
        """All pauses that hold, in a line; empty for none."""
        held = {name: pause for name, pause in self.pauses.items() if is_pause_active(pause, now)}
        everything = held.pop(ALL_CONTAINERS, None)
        words = [] if everything is None else [describe_pause("paused", everything, now)]
        return ", ".join(
            [*words, *(describe_pause(f"{name} paused", held[name], now) for name in sorted(held))]
        )

    def reset(self, container: str) -> float:
        """When the container's breaker was last closed by a person (epoch seconds), 0 for never."""
        return max(self.resets.get(ALL_CONTAINERS, 0.0), self.resets.get(container, 0.0))


def describe_pause(what: str, pause: Pause, now: float) -> str:
    left = "" if pause.until is None else f" for another {show_duration(pause.until - now)}"
    why = f" ({pause.reason})" if pause.reason else ""
    return f"{what} by {pause.by}{left}{why}"


def is_pause_active(pause: Pause, now: float) -> bool:
    return pause.until is None or now < pause.until


class ApprovalAnswer(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for a person, and what the person said. `id` is short, for people; `key` is the
    ledger's. Nobody's answer by `until` is no."""

    id: str
    key: str
    incident: str
    host: str
    container: str
    action: Action
    plan: str = ""
    """What exactly would be done."""
    cause: str = ""
    request: str = ""
    """Id of the event that asked for it."""
    asked: float
    until: float
    answer: ApprovalAnswer | None = None
    by: str = ""
    answered: float = 0.0
    reason: str = ""

    def is_open(self, now: float) -> bool:
        return self.answer is None and now < self.until
