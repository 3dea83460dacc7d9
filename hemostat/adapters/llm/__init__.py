"""Creates the configured advisor. Importing this module loads no vendor's SDK."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hemostat.adapters.llm.catalogue import DEFAULT_MODELS, KEY_VARIABLES, PRICES
from hemostat.core.llm.cost_budget import Prices
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.local_address import use_ipv4_localhost
from hemostat.errors import ConfigError

if TYPE_CHECKING:
    from hemostat.ports import Advisor
    from hemostat.ports.advisor import Vendor

__all__ = ["KEY_VARIABLES", "choose_vendor", "create_advisor", "find_prices"]

ANTHROPIC_KEY_PREFIX: Final = "sk-ant-"
"""The prefix of Anthropic's keys."""


def choose_vendor(analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None) -> "Vendor | None":
    """The vendor of the model. None: no model, the rules decide. `key` is the configured key.

    `auto` with a configured address means OpenAI's protocol, which every local server supports, whatever the
    environment contains: a vendor's key there says nothing about another server.
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
    """The configured prices, else list prices. Zero for an unlisted model, and for a configured server."""
    if analysis.price_sent or analysis.price_received:
        return Prices(sent=analysis.price_sent, received=analysis.price_received)
    return Prices() if analysis.base_url else PRICES.get(model.name.partition(":")[2], Prices())


def _find_key(
    vendor: "Vendor", analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None
) -> str | None:
    """The configured key, else the environment's, which is sent only to its own vendor.

    Raises ConfigError for an invalid key.
    """
    api_key = (key or ("" if analysis.base_url else environ.get(KEY_VARIABLES[vendor], ""))).strip()
    if not (api_key.isascii() and api_key.isprintable()):
        # The HTTP library would report it too, but quotes the key.
        raise ConfigError(f"the key for {vendor} has invalid characters", hint="copy it again")
    return api_key or None


def _find_model(vendor: "Vendor", analysis: AnalyzerSettings) -> str:
    """The model. Raises ConfigError if a server is configured without a model: its models are unknown."""
    if not analysis.model and analysis.base_url:
        raise ConfigError(
            "analyzer.base_url is set, but analyzer.model is not",
            hint="set analyzer.model to a model of this server",
        )
    return analysis.model or DEFAULT_MODELS[vendor]


def _check_address(base_url: str) -> str:
    """The address. Raises ConfigError if it is invalid."""
    try:
        parts = urlsplit(base_url)
        plain = base_url.isprintable() and " " not in base_url
        usable = plain and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if base_url and not usable:
        raise ConfigError("analyzer.base_url is not a URL", hint="such as http://127.0.0.1:11434/v1")
    return use_ipv4_localhost(base_url)


def create_advisor(
    vendor: "Vendor", analysis: AnalyzerSettings, environ: Mapping[str, str], key: str | None
) -> "Advisor":
    """An advisor, returned at once while the vendor's SDK loads.

    Raises ConfigError for a missing or unusable setting.
    """
    from hemostat.adapters.llm.lazy_client import LazyAdvisor

    model, address = _find_model(vendor, analysis), _check_address(analysis.base_url)
    api_key = _find_key(vendor, analysis, environ, key)
    if not api_key and not (vendor == "openai" and address):
        raise ConfigError(
            f"no key is set for analyzer.advisor = {vendor}",
            hint=f"set {'HEMOSTAT_ANALYZER_API_KEY' if address else KEY_VARIABLES[vendor]}",
        )
    return LazyAdvisor(f"{vendor}:{model}", lambda: _connect(vendor, model, api_key or "", address))


def _connect(vendor: "Vendor", model: str, key: str, base_url: str) -> "Advisor":
    if vendor == "openai":
        from hemostat.adapters.llm.openai import OpenAIAdvisor

        return OpenAIAdvisor(model, key=key, base_url=base_url)
    from hemostat.adapters.llm.anthropic import AnthropicAdvisor

    return AnthropicAdvisor(model, key=key, base_url=base_url)
