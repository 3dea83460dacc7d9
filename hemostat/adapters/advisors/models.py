"""What is known of vendors and their models, as of 2026-11-24. All of it can be overruled by settings, except
what a model does not take.

Sources: the lists of models in the SDKs (anthropic 2.13, openai 3.57); platform.claude.com, pages of the
models and "Forced tool use is not supported"; developers.openai.com, pages of the models.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from hemostat.ports.advisor import Vendor

DEFAULTS: Final[Mapping["Vendor", str]] = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-6.1-terra"}
"""Current models of the middle price, on 2026-11-24."""

KEYS: Final[Mapping["Vendor", str]] = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
"""Environment variables."""


class Price(NamedTuple):
    """US dollars a million tokens, list price for short prompts, without discount for what is cached."""

    sent: float
    received: float


PRICES: Final[Mapping[str, Price]] = {
    "claude-haiku-5-5": Price(0.10, 0.50),
    "claude-sonnet-5-5": Price(2.0, 10.0),
    "claude-sonnet-5": Price(2.0, 10.0),
    "claude-opus-5-5": Price(4.0, 20.0),
    "gpt-6-luna": Price(0.10, 0.50),
    "gpt-6.1-terra": Price(1.0, 5.0),
    "gpt-6.1-sol": Price(2.0, 10.0),
    "gpt-6-sol": Price(2.0, 10.0),
    "gpt-6-astra": Price(10.0, 50.0),
}
"""On 2026-11-24."""


def price(model: str) -> Price | None:
    """None: of this model nothing is known."""
    return PRICES.get(model)


THINKING: Final[Mapping[str, Mapping[str, Any]]] = {
    "claude-sonnet-5-5": {"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}},
    "claude-sonnet-5": {"output_config": {"effort": "low"}},
    "claude-opus-5-5": {"output_config": {"effort": "low"}},
    "claude-haiku-5-5": {"output_config": {"effort": "low"}},
}
"""What keeps Claude from thinking longer than an incident waits: by itself it thinks at length, and that
counts as said. Other models are left as they are, for many refuse what these take."""

REASONING: Final = ("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6-", "gpt-6.1-")
"""What names of models begin with that get tools in Chat Completions only with `reasoning_effort` none."""

OPENAIS: Final = ("gpt-5", "gpt-6", "o1", "o3", "o4")
"""What names of OpenAI's models begin with: they take `max_completion_tokens` where all others take
`max_tokens`, and they obey `tool_choice`, which others may lack."""
