"""Models that are asked for advice, and which of them is. Importing this costs nothing of any vendor."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hemostat.adapters.llm.catalogue import DEFAULT_MODELS, KEY_VARIABLES, PRICES
from hemostat.core.llm.budget import Prices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.errors import ConfigError

if TYPE_CHECKING:
    from hemostat.ports import Advisor
    from hemostat.ports.advisor import Vendor

__all__ = ["KEY_VARIABLES", "choose_vendor", "create_advisor", "find_prices"]

ANTHROPIC_KEY_PREFIX: Final = "sk-ant-"
"""What Anthropic's keys begin with."""


def choose_vendor(analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None) -> "Vendor | None":
    """Whose model is asked; None: nobody's, the rules decide. `key` is the configured one.

    `auto` with an address of the user's own means OpenAI's protocol, which every local server speaks, and
    whatever is in the environment: a vendor's key there says nothing about another's server.
    """
    if analysis.advisor == "rules":
        return None
    if analysis.advisor != "auto":
        return analysis.advisor
    if key:
        return "anthropic" if key.startswith(ANTHROPIC_KEY_PREFIX) else "openai"
    if analysis.base_url:
        return "openai"
    if environ.get(KEY_VARIABLES["anthropic"]):
        return "anthropic"
    return "openai" if environ.get(KEY_VARIABLES["openai"]) else None


def find_prices(analysis: AnalyzerSettings, model: "Advisor") -> Prices:
    """As configured, else the list's; of a model that is not on it, and on a server of one's own, nothing."""
    if analysis.price_sent or analysis.price_received:
        return Prices(sent=analysis.price_sent, received=analysis.price_received)
    return Prices() if analysis.base_url else PRICES.get(model.name.partition(":")[2], Prices())


def _find_key(
    vendor: "Vendor", analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None
) -> str | None:
    """The configured key, else the environment's. That is the vendor's own, and goes nowhere else. Raises
    ConfigError for what cannot be one."""
    found = (key or ("" if analysis.base_url else environ.get(KEY_VARIABLES[vendor], ""))).strip()
    if not (found.isascii() and found.isprintable()):
        # The HTTP library would say so too, and quote it.
        raise ConfigError(f"the key for {vendor} has characters that no key has", hint="copy it again")
    return found or None


def _find_model(vendor: "Vendor", analysis: AnalyzerSettings) -> str:
    """Raises ConfigError for a server of the user's own, of which nobody knows what it serves."""
    if not analysis.model and analysis.base_url:
        raise ConfigError(
            "analyzer.base_url is set, but analyzer.model is not", hint="name a model that this server has"
        )
    return analysis.model or DEFAULT_MODELS[vendor]


def _check_address(base_url: str) -> str:
    """Raises ConfigError for what cannot be one."""
    try:
        parts = urlsplit(base_url)
        plain = base_url.isprintable() and " " not in base_url
        usable = plain and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if base_url and not usable:
        raise ConfigError(
            "analyzer.base_url is no address of a server", hint="such as http://localhost:11434/v1"
        )
    return base_url


def create_advisor(
    vendor: "Vendor", analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None
) -> "Advisor":
    """At once; the vendor's SDK is loaded meanwhile. Raises ConfigError for a setting that is missing or
    cannot be used."""
    from hemostat.adapters.llm.lazy_client import LazyAdvisor

    model, address = _find_model(vendor, analysis), _check_address(analysis.base_url)
    found = _find_key(vendor, analysis, environ, key)
    if not found and not (vendor == "openai" and address):
        raise ConfigError(
            f"there is no key for analyzer.advisor = {vendor}",
            hint=f"set {'HEMOSTAT_ANALYZER_API_KEY' if address else KEY_VARIABLES[vendor]}",
        )
    return LazyAdvisor(f"{vendor}:{model}", lambda: _connect(vendor, model, found or "", address))


def _connect(vendor: "Vendor", model: str, key: str, base_url: str) -> "Advisor":
    if vendor == "openai":
        from hemostat.adapters.llm.openai import OpenAIAdvisor

        return OpenAIAdvisor(model, key=key, base_url=base_url)
    from hemostat.adapters.llm.anthropic import AnthropicAdvisor

    return AnthropicAdvisor(model, key=key, base_url=base_url)
