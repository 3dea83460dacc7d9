"""Known facts about vendors and their models, as of 2026-11-24.

Settings override them, except for parameters that a model does not accept.

Sources: the lists of models in the SDKs (anthropic 2.13, openai 3.57); platform.claude.com, pages of the
models and "Forced tool use is not supported"; developers.openai.com, pages of the models.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from hemostat.core.llm.cost_budget import Prices

if TYPE_CHECKING:
    from hemostat.ports.advisor import Vendor

DEFAULT_MODELS: Final[Mapping["Vendor", str]] = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-6.1-terra"}
"""Current models of the middle price, on 2026-11-24."""

KEY_VARIABLES: Final[Mapping["Vendor", str]] = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
"""Environment variables."""


PRICES: Final[Mapping[str, Prices]] = {
    "claude-haiku-5-5": Prices(sent=0.10, received=0.50),
    "claude-sonnet-5-5": Prices(sent=2.0, received=10.0),
    "claude-sonnet-5": Prices(sent=2.0, received=10.0),
    "claude-opus-5-5": Prices(sent=4.0, received=20.0),
    "gpt-6-luna": Prices(sent=0.10, received=0.50),
    "gpt-6.1-terra": Prices(sent=1.0, received=5.0),
    "gpt-6.1-sol": Prices(sent=2.0, received=10.0),
    "gpt-6-sol": Prices(sent=2.0, received=10.0),
    "gpt-6-astra": Prices(sent=10.0, received=50.0),
}
"""List prices on 2026-11-24, for short prompts, without the discount for cached ones."""


THINKING_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "claude-sonnet-5-5": {"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}},
    "claude-sonnet-5": {"output_config": {"effort": "low"}},
    "claude-opus-5-5": {"output_config": {"effort": "low"}},
    "claude-haiku-5-5": {"output_config": {"effort": "low"}},
}
"""Parameters that keep Claude from thinking longer than an incident can wait.

By default it thinks at length, which counts as output. Other models get no parameters, because many refuse
these.
"""

REASONING_PREFIXES: Final = ("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-6-", "gpt-6.1-")
"""Prefixes of models that accept tools in Chat Completions only with `reasoning_effort` none."""

OPENAI_PREFIXES: Final = ("gpt-5", "gpt-6", "o1", "o3", "o4")
"""Prefixes of OpenAI's models.

They take `max_completion_tokens` where all others take `max_tokens`, and obey `tool_choice`, which others may
lack.
"""
