"""Decides which settings suit an engine, and says in one sentence why each of them is there."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from hemostat.core.bounds import UNREADABLE_CHARACTERS
from hemostat.core.labels.values import Mode
from hemostat.core.setup.healers import AUTOHEAL_SELECTOR, Healer
from hemostat.core.setup.inventory import Inventory
from hemostat.core.text import list_names, quote_text

COMPOSE_SELECTOR: Final = "com.docker.compose.project"
SELECTORS_BY_WORD: Final = {"all": "", "compose": COMPOSE_SELECTOR}
"""Answers to the question for the containers, beside a label."""
NO_WORD: Final = "none"
"""The answer for no channel and no protected container."""
MAX_SELECTOR_CHARACTERS: Final = 256
MAX_PATTERN_CHARACTERS: Final = 255
MAX_PATTERNS: Final = 100
TRANSLATED_PROGRAMS: Final = frozenset({Healer.AUTOHEAL, Healer.DEUNHEALTH})
CHANNEL_NAME: Final = "default"

MODE_REASONS: Final[dict[Mode, str]] = {
    "dry-run": "HemoStat reports what it would do, and does nothing.",
    "approve": "HemoStat asks a person before each action.",
    "auto": "HemoStat acts by itself, within the limits of docs/SAFETY.md.",
}
PROTECT_REASON: Final = "HemoStat watches these containers, and runs no action on them."
CHANNEL_REASON: Final = "Notifications go to this address, which is a secret."
TRUST_REASON: Final = (
    "All containers are of one Compose project, whose dependencies are believed. Remove the line when "
    "containers of other people run here, too."
)


class ProposedSetting(NamedTuple):
    """One line of the configuration. `value` is as in TOML. `why` is shown to people."""

    key: str
    value: object
    why: str
    is_secret: bool = False


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides. `only` is the label of the containers to watch, empty for all. `notify` is
    the URL of a channel, empty for none."""

    only: str = ""
    mode: Mode = "dry-run"
    notify: str = ""
    protect: tuple[str, ...] = ()


def propose_choices(inventory: Inventory) -> Choices:
    """Return the choices that are safe at the first contact: nothing is done, databases are left alone, and
    where containers are labelled for docker-autoheal, only those are watched."""
    only = AUTOHEAL_SELECTOR if inventory.with_autoheal_label else ""
    return Choices(only=only, protect=inventory.databases[:MAX_PATTERNS])


def parse_selector(text: str) -> str:
    """Return the label of `all`, `compose`, KEY or KEY=VALUE, empty for all. Raises ValueError."""
    selector = text.strip()
    if selector.lower() in SELECTORS_BY_WORD:
        return SELECTORS_BY_WORD[selector.lower()]
    if (
        not selector.partition("=")[0]
        or len(selector) > MAX_SELECTOR_CHARACTERS
        or UNREADABLE_CHARACTERS.search(selector)
        or not selector.isprintable()
    ):
        raise ValueError(f"{quote_text(text)} is neither all, compose, nor a label such as team=web")
    return selector


def format_selector(selector: str) -> str:
    """Return the answer that means this label."""
    return next((word for word, each in SELECTORS_BY_WORD.items() if each == selector), selector)


def parse_patterns(text: str) -> tuple[str, ...]:
    """Return the names or patterns of a list with commas; none for `none`. Raises ValueError."""
    patterns = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if text.strip().lower() == NO_WORD:
        return ()
    if len(patterns) > MAX_PATTERNS or not all(map(_is_pattern, patterns)):
        raise ValueError(
            f"{quote_text(text)} is not a list of at most {MAX_PATTERNS} names such as db,postgres*"
        )
    return patterns


def _is_pattern(text: str) -> bool:
    return len(text) <= MAX_PATTERN_CHARACTERS and text.isascii() and text.isprintable()


def build_settings(inventory: Inventory, choices: Choices) -> tuple[ProposedSetting, ...]:
    """Return the lines of the configuration, in the order of its tables."""
    return tuple(_iter_settings(inventory, choices))


def _iter_settings(inventory: Inventory, choices: Choices) -> Iterator[ProposedSetting]:
    yield ProposedSetting("monitor.only", choices.only, explain_selector(choices.only))
    yield ProposedSetting("responder.mode", choices.mode, MODE_REASONS[choices.mode])
    if choices.protect:
        yield ProposedSetting(
            "responder.protect", list(choices.protect), _explain_patterns(inventory, choices)
        )
    if inventory.needs_trust:
        yield ProposedSetting("trust.labels", "compose", TRUST_REASON)
    if choices.notify:
        yield propose_channel(CHANNEL_NAME, choices.notify, CHANNEL_REASON)


def propose_channel(name: str, url: str, why: str) -> ProposedSetting:
    return ProposedSetting(f"alert.channels.{name}.url", url, why, is_secret=True)


def explain_selector(selector: str) -> str:
    if not selector:
        return "HemoStat watches all containers."
    if selector == COMPOSE_SELECTOR:
        return "HemoStat watches the containers of all Compose projects, and no others."
    return "HemoStat watches the containers with this label, and no others."


def _explain_patterns(inventory: Inventory, choices: Choices) -> str:
    databases = [each for each in choices.protect if each in inventory.databases]
    return f"{PROTECT_REASON} Databases: {list_names(databases)}." if databases else PROTECT_REASON


def find_warnings(inventory: Inventory, choices: Choices) -> tuple[str, ...]:
    """Return what an operator should know before HemoStat acts."""
    return tuple(_iter_warnings(inventory, choices))


def _iter_warnings(inventory: Inventory, choices: Choices) -> Iterator[str]:
    if inventory.healers:
        names = list_names(each.container for each in inventory.healers)
        yield f"{names}: stop other programs that act on containers, or limit each to containers of its own"
    if any(each.program in TRANSLATED_PROGRAMS for each in inventory.healers):
        yield "hemostat migrate autoheal takes over the settings of docker-autoheal and deunhealth"
    unlabelled = inventory.running - inventory.with_autoheal_label
    if choices.only == AUTOHEAL_SELECTOR and unlabelled:
        yield (
            f"{unlabelled} of {inventory.running} containers lack the label {AUTOHEAL_SELECTOR}, and "
            "HemoStat does not watch them; --only all watches all"
        )
    if inventory.with_autoheal_label and not choices.only:
        yield (
            f"{inventory.with_autoheal_label} of {inventory.running} containers have the label "
            f"{AUTOHEAL_SELECTOR}; HemoStat watches all, unlike docker-autoheal"
        )
