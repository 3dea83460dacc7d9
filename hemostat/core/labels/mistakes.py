"""Finds labels that were meant for HemoStat and cannot be used: unknown names and unreadable values.

The intended effect of such a label is unknown, and may have been to keep HemoStat away. A container with such
a label is therefore watched, and is not acted on without an approval, until the label is corrected. Labels of
other software are no mistakes: without the prefix, a name must be similar to one of HemoStat's.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final

import msgspec

from hemostat.core.labels.definitions import (
    AUTOHEAL,
    AUTOHEAL_STOP_TIMEOUT,
    COMMAND_LABELS,
    ENABLE,
    KEEP,
    LABEL_PREFIX,
    LABELS,
    MODE,
    PROTECT,
)
from hemostat.core.redact.mask_format import mask
from hemostat.core.text import escape_controls, quote_text

MAX_NAME_CHARACTERS: Final = 100
"""Characters of a label's name from which on the name is similar to none of HemoStat's."""
MAX_MISTAKES: Final = 20
"""Maximum number of reported mistakes of one container."""
TOOL_NAME: Final = "hemostat"
MAX_LEADING_WORDS: Final = 2
"""Words before the tool's name, as in `io.hemostat.enable`. More words mean another tool's label."""

MIN_PREFIXED_RATIO: Final = 0.6
MIN_TOOL_RATIO: Final = 0.85
MIN_NAME_RATIO: Final = 0.8
"""Minimum similarity of words, from 0 to 1 as computed by difflib."""

SAFETY_LABELS: Final = (ENABLE, PROTECT, KEEP)
MASK_PREFIX: Final = "[redacted"
"""Marks a masked secret in a command that an event carries. The container's own value may be readable."""
TOO_LONG: Final = mask("not checked")
"""Stands in an event for a value that is too long to be read."""


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A label that cannot be used. `nearest` is the label that was probably meant, empty if unknown."""

    label: str
    value: str
    why: str
    nearest: str = ""

    def __str__(self) -> str:
        return f"label {self.label} {self.why}"


def find_mistakes(labels: Mapping[str, str]) -> tuple[Mistake, ...]:
    """Return the mistakes by name, at most MAX_MISTAKES."""
    return tuple(_find_mistakes(labels))


def _find_mistakes(labels: Mapping[str, str]) -> Iterator[Mistake]:
    candidates = (_find_mistake(name, labels[name]) for name in sorted(labels))
    return islice((mistake for mistake in candidates if mistake is not None), MAX_MISTAKES)


@lru_cache(maxsize=4096)
def _find_mistake(name: str, value: str) -> Mistake | None:
    return _check_value(name, value) if name in LABELS else _check_name(name, value)


def _check_value(name: str, value: str) -> Mistake | None:
    if value == TOO_LONG:
        why = f"cannot be read: its value is longer than {LABELS[name].max_characters} characters"
        return Mistake(label=name, value=value, why=why, nearest=name)
    if MASK_PREFIX in value and name in COMMAND_LABELS:
        return None
    try:
        LABELS[name].read(value)
    except ValueError as error:
        return Mistake(
            label=name,
            value=_format_text(value),
            why=f"cannot be read: {escape_controls(str(error))}",
            nearest=name,
        )
    return None


def _check_name(name: str, value: str) -> Mistake | None:
    near = find_nearest_label(name)
    if near is None:
        return None
    why = f"is unknown: did you mean {near}?" if near else "is unknown"
    return Mistake(label=_format_text(name), value=_format_text(value), why=why, nearest=near)


def _format_text(text: str) -> str:
    return escape_controls(text) if len(text) <= MAX_NAME_CHARACTERS else escape_controls(quote_text(text))


def explain_protection(labels: Mapping[str, str], *, ordered: bool = False) -> str:
    """Return why the labels of the container forbid an action; empty if they allow one. An action that an
    operator orders is stopped only by a label meant as `hemostat.protect`. A mode that cannot be read makes
    HemoStat ask for an approval (`core.remediation.policy.find_strictest_mode`)."""
    if PROTECT.read_from(labels):
        return f"label {PROTECT.name}"
    all_mistakes = _find_mistakes(labels)  # lazily: an error message for a value takes time
    mistakes = (each for each in all_mistakes if not ordered or each.nearest == PROTECT.name)
    serious = (each for each in mistakes if each.label != MODE.name)
    return next(map(str, serious), "")


# --- names --------------------------------------------------------------------------------------------


def is_meant_for_hemostat(name: str) -> bool:
    """Return whether a label is HemoStat's or docker-autoheal's, or was meant to be."""
    return name in LABELS or find_nearest_label(name) is not None


def find_selector_label(selector: str) -> str:
    """Return the name of the label that selects the containers to watch (`monitor.only`), if it would count
    as a mistake otherwise, such as `hemostat.team` or `auto-heal`; else empty."""
    name = selector.partition("=")[0]
    return name if name not in LABELS and is_meant_for_hemostat(name) else ""


def find_nearest_label(name: str) -> str | None:
    """Return the label that an unknown name was meant to be; empty if the name was meant for HemoStat and is
    similar to no label; None if the name belongs to other software."""
    if len(name) > MAX_NAME_CHARACTERS:
        return "" if name.startswith(LABEL_PREFIX) else None
    return _find_nearest(name)


@lru_cache(maxsize=4096)
def _find_nearest(name: str) -> str | None:
    words = _split_name(name)
    tool_index = next(
        (number for number, word in enumerate(words[: MAX_LEADING_WORDS + 1]) if _is_tool(word)), None
    )
    if tool_index is None:
        return _expand_abbreviation(words) or _match_autoheal(name, words)
    suffix = ".".join(words[tool_index + 1 :])
    if name.lower().startswith(LABEL_PREFIX):
        return _find_close_name(suffix, MIN_PREFIXED_RATIO)
    if not suffix:
        return ENABLE.name if len(words) == 1 else None
    return _find_close_name(suffix, MIN_NAME_RATIO) or None


def _split_name(name: str) -> list[str]:
    """Return the words of a name. `hemo-stat.enable` and `hemostatEnable` also begin with the tool's name."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    if "".join(words[:2]) == TOOL_NAME:
        return [TOOL_NAME, *words[2:]]
    if words and words[0].startswith(TOOL_NAME) and words[0] != TOOL_NAME:
        return [TOOL_NAME, words[0].removeprefix(TOOL_NAME), *words[1:]]
    return words


def _is_tool(word: str) -> bool:
    return word == TOOL_NAME or (
        len(word) <= len(TOOL_NAME) + 2 and _compute_ratio(word, TOOL_NAME) >= MIN_TOOL_RATIO
    )


def _expand_abbreviation(words: list[str]) -> str | None:
    """Return the label for a name such as `hemo.enable`, if it is a safety label and spelt right."""
    if len(words) < 2 or len(words[0]) < 4 or not TOOL_NAME.startswith(words[0]):  # noqa: PLR2004
        return None
    full_name = LABEL_PREFIX + ".".join(words[1:])
    return next((label.name for label in SAFETY_LABELS if label.name == full_name), None)


def _match_autoheal(name: str, words: list[str]) -> str | None:
    joined = "".join(words)
    for label in (AUTOHEAL, AUTOHEAL_STOP_TIMEOUT):
        if name != label.name and _compute_ratio(joined, label.name.replace(".", "")) > MIN_TOOL_RATIO:
            return label.name
    return None


def _find_close_name(suffix: str, cutoff: float) -> str:
    near = difflib.get_close_matches(suffix, _NAMES_BY_WORDS, n=1, cutoff=cutoff)
    return _NAMES_BY_WORDS[near[0]] if near else ""


def _compute_ratio(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, word, other).ratio()


_NAMES_BY_WORDS: Final = {
    name.removeprefix(LABEL_PREFIX).replace("_", "."): name
    for name, label in LABELS.items()
    if name.startswith(LABEL_PREFIX) and not label.is_marker
}
"""The names that users may mean, without the prefix, their words separated by dots."""
