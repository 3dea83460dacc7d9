"""Models that are asked for advice, and which of them is. Importing this costs nothing of any vendor."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hemostat.adapters.advisors.models import DEFAULTS, KEYS, PRICES, Price, price
from hemostat.core.analysis import Analysis
from hemostat.errors import ConfigError

if TYPE_CHECKING:
    from hemostat.ports import Advisor
    from hemostat.ports.advisor import Vendor

__all__ = ["DEFAULTS", "KEYS", "PRICES", "Price", "choose", "key_for", "make", "model_for", "price"]

ANTHROPIC_KEYS: Final = "sk-ant-"
"""What Anthropic's keys begin with."""


def choose(analysis: Analysis, environ: Mapping[str, str], key: str | None) -> "Vendor | None":
    """Whose model is asked; None: nobody's, the rules decide. `key` is the configured one.

    `auto` with an address of the user's own means OpenAI's protocol, which every local server speaks, and
    whatever is in the environment: a vendor's key there says nothing about another's server.
    """
    if analysis.advisor == "rules":
        return None
    if analysis.advisor != "auto":
        return analysis.advisor
    if key:
        return "anthropic" if key.startswith(ANTHROPIC_KEYS) else "openai"
    if analysis.base_url:
        return "openai"
    if environ.get(KEYS["anthropic"]):
        return "anthropic"
    return "openai" if environ.get(KEYS["openai"]) else None


def key_for(vendor: "Vendor", analysis: Analysis, environ: Mapping[str, str], key: str | None) -> str | None:
    """The configured key, else the environment's. That is the vendor's own, and goes nowhere else. Raises
    ConfigError for what cannot be one."""
    found = (key or ("" if analysis.base_url else environ.get(KEYS[vendor], ""))).strip()
    if not (found.isascii() and found.isprintable()):
        # The HTTP library would say so too, and quote it.
        raise ConfigError(f"the key for {vendor} has characters that no key has", hint="copy it again")
    return found or None


def model_for(vendor: "Vendor", analysis: Analysis) -> str:
    """Raises ConfigError for a server of the user's own, of which nobody knows what it serves."""
    if not analysis.model and analysis.base_url:
        raise ConfigError(
            "analyzer.base_url is set, but analyzer.model is not", hint="name a model that this server has"
        )
    return analysis.model or DEFAULTS[vendor]


def make(vendor: "Vendor", analysis: Analysis, environ: Mapping[str, str], key: str | None) -> "Advisor":
    """Imports the vendor's SDK, which takes a second. Raises ConfigError for a setting that is missing."""
    model = model_for(vendor, analysis)
    found = key_for(vendor, analysis, environ, key)
    if vendor == "openai":
        from hemostat.adapters.advisors.openai import OpenAIAdvisor

        if not found and not analysis.base_url:
            raise _no_key(vendor)
        return OpenAIAdvisor(model, key=found, base_url=analysis.base_url)
    from hemostat.adapters.advisors.anthropic import AnthropicAdvisor

    if not found:
        raise _no_key(vendor)
    return AnthropicAdvisor(model, key=found, base_url=analysis.base_url)


def _no_key(vendor: "Vendor") -> ConfigError:
    return ConfigError(
        f"there is no key for analyzer.advisor = {vendor}",
        hint=f"set {KEYS[vendor]}, or for a server of your own HEMOSTAT_ANALYZER_API_KEY",
    )
