"""How alerts are analysed, and what asking a model may cost: the configuration table `analyzer`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hemostat.core.units import Seconds
from hemostat.events import Kind

AdvisorChoice = Literal["auto", "rules", "anthropic", "openai"]
Share = Annotated[float, Meta(ge=0, le=1)]
Dollars = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]

AMBIGUOUS_KINDS: tuple[Kind, ...] = (
    Kind.CRASH_LOOP,
    Kind.FLAPPING,
    Kind.CPU_HIGH,
    Kind.CPU_THROTTLED,
    Kind.MEMORY_HIGH,
    Kind.MEMORY_LEAK,
    Kind.PIDS_HIGH,
    Kind.FD_HIGH,
)
"""Kinds whose numbers have several explanations. Of the others the rules are sure, and a crash waits for
nobody."""


class AnalyzerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `analyzer`."""

    advisor: AdvisorChoice = "auto"
    """`auto`: whose key is present, Anthropic's before OpenAI's; without one, rules."""
    model: str = ""
    """Empty: the vendor's that adapters.llm names, with a date."""
    base_url: str = ""
    """Of a server that speaks the vendor's protocol; empty: the vendor's own."""
    api_key: str = ""
    api_key_file: str = ""
    """A file whose first line is the key; both empty: ANTHROPIC_API_KEY or OPENAI_API_KEY."""
    ask: tuple[Kind, ...] = AMBIGUOUS_KINDS
    """Kinds of which a model is asked."""
    ask_below: Share = 0.0
    """Of any kind it is asked where the rules are less sure than this."""
    timeout: Seconds = 10.0
    """How long an answer is awaited in all, before the rules decide."""
    min_confidence: Share = 0.6
    """A model that is less sure gets nothing done: people are told."""
    concurrency: Annotated[int, Meta(ge=1)] = 4
    """Investigations at a time."""
    max_calls: Count = 6
    """Tools that a model may call in one investigation."""
    max_tokens: Annotated[int, Meta(ge=1)] = 30_000
    """Sent and received in one investigation, as far as they are known before the next turn."""
    calls_per_hour: Count = 60
    """Requests to the service, of all analyzers together."""
    cost_per_hour: Dollars = 1.0
    """US dollars."""
    price_sent: Dollars = 0.0
    """US dollars a million tokens. Both 0: of the models known here their list price, of others nothing."""
    price_received: Dollars = 0.0
    reuse: Seconds = 600.0
    """How long a diagnosis serves for incidents that are just alike."""
    send_logs: bool = True
    """Whether a model is shown logs."""
    redact_emails: bool = False
    """Whether e-mail addresses are masked, as secrets always are."""
