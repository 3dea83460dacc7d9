"""The LLM budget: the cost of model requests, and whether one more fits into the hour."""

from collections.abc import Sequence
from typing import Final

import msgspec

from hemostat.core.labels.project import NO_PROJECT, limit_per_project

HOUR_SECONDS: Final = 3600.0
MILLION: Final = 1e6
CHARACTERS_PER_TOKEN: Final = 3.0
"""Characters per token, at least, in plain text, so that estimates are too high rather than too low."""


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens."""

    sent: float = 0.0
    received: float = 0.0

    def compute_cost(self, sent_tokens: float, received_tokens: float) -> float:
        return (sent_tokens * self.sent + received_tokens * self.received) / MILLION


class LlmUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `time` is epoch seconds. `cost` is US dollars: the maximum until the cost is known."""

    id: str
    time: float
    cost: float = 0.0
    project: str = NO_PROJECT
    """Project of the container that the request was about (core.labels.project)."""


def select_last_hour(spent: Sequence[LlmUsage], now: float) -> list[LlmUsage]:
    """The requests of the last hour, including those with a later time, from before a clock was set back."""
    return [each for each in spent if each.time > now - HOUR_SECONDS]


def find_objection(
    spent: Sequence[LlmUsage],
    cost: float,
    *,
    calls: int,
    dollars: float,
    now: float,
    project: str = NO_PROJECT,
    shared: bool = False,
) -> str:
    """Why one more request about this project, which costs at most `cost`, does not fit into the hour; empty
    if it does. `shared` is whether other projects fail too; half of the hour is then reserved for them."""
    hour = select_last_hour(spent, now)
    own = [each for each in hour if each.project == project]
    if (shared or len(own) < len(hour)) and own and (why := _find_half_objection(own, cost, calls, dollars)):
        return why
    if len(hour) >= calls:
        return f"{calls} requests were made in the last hour"
    sum_of = sum(each.cost for each in hour)
    if cost and sum_of + cost > dollars:
        share = f"${sum_of:.2f} of ${dollars:.2f} was spent in the last hour"
        return f"{share}, and another request may cost ${cost:.3f}"
    return ""


def _find_half_objection(own: Sequence[LlmUsage], cost: float, calls: int, dollars: float) -> str:
    """Why one more request does not fit into a project's half of the hour; empty if it does."""
    if len(own) >= limit_per_project(calls):
        return f"{len(own)} of {calls} requests in the last hour were for its project, which is its share"
    sum_of = sum(each.cost for each in own)
    if cost and sum_of + cost > dollars / 2:
        return f"${sum_of:.2f} of ${dollars:.2f} in the last hour was for its project, which is its share"
    return ""


def estimate_tokens(text: str) -> int:
    """The number of tokens in a text, estimated too high rather than too low."""
    return int(len(text.encode(errors="replace")) / CHARACTERS_PER_TOKEN) + 1
