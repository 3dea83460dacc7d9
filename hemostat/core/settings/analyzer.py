"""The configuration table `analyzer`: how alerts are analysed, and what model requests may cost."""

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
"""Kinds whose measurements have several explanations. For other kinds the rules are certain, and a crash must
not wait for a model."""


class AnalyzerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `analyzer`."""

    advisor: AdvisorChoice = "auto"
    """`auto`: the vendor whose key is present, Anthropic before OpenAI; without a key, rules."""
    model: str = ""
    """Empty: the vendor's dated model that adapters.llm names."""
    base_url: str = ""
    """URL of a server with the vendor's protocol. Empty: the vendor's own."""
    api_key: str = ""
    api_key_file: str = ""
    """A file whose first line is the key. Both empty: ANTHROPIC_API_KEY or OPENAI_API_KEY."""
    ask: tuple[Kind, ...] = AMBIGUOUS_KINDS
    """Kinds that a model is asked about."""
    ask_below: Share = 0.0
    """A model is asked about any kind if the rules' confidence is below this."""
    timeout: Seconds = 10.0
    """Seconds to wait for an answer in all, before the rules decide."""
    min_confidence: Share = 0.6
    """Minimum confidence of a model for an action. Below it, no action is taken and a notification is
    sent."""
    concurrency: Annotated[int, Meta(ge=1)] = 4
    """Investigations at the same time."""
    max_calls: Count = 6
    """Tool calls of a model in one investigation."""
    max_tokens: Annotated[int, Meta(ge=1)] = 30_000
    """Tokens sent and received in one investigation, as far as known before the next turn."""
    calls_per_hour: Count = 60
    """Requests to the service per hour, by all analyzers together."""
    cost_per_hour: Dollars = 1.0
    """US dollars per hour."""
    price_sent: Dollars = 0.0
    """US dollars per million tokens. Both 0: list prices for known models, 0 for others."""
    price_received: Dollars = 0.0
    reuse: Seconds = 600.0
    """Seconds for which a diagnosis is reused for identical incidents."""
    send_logs: bool = True
    """Whether logs are sent to a model."""
    redact_emails: bool = False
    """Whether e-mail addresses are masked, in addition to secrets."""
