"""Limits the length and size of untrusted values: texts and numbers of the engine, before they are used.

A user who creates a container chooses its name, labels, command, output and many of its numbers. Each value
is therefore cut or clamped where it enters. Later code may rely on finite numbers and on short texts that
every event can carry.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

from hemostat.events import Evidence, digest
from hemostat.events.fitting import MAX_NUMBER

MAX_ID_CHARACTERS: Final = 128
MAX_NAME_CHARACTERS: Final = 255
MAX_IMAGE_CHARACTERS: Final = 512
MAX_WORD_CHARACTERS: Final = 64
"""Characters of a status, a policy or a mode."""
MAX_LINE_CHARACTERS: Final = 500
"""Characters of an error message or a text of evidence."""
MAX_PATH_CHARACTERS: Final = 4096
MAX_ITEMS: Final = 100
"""Addresses, ports, paths or mounts of one container."""
MAX_EVIDENCE_ITEMS: Final = 50
"""Facts of one alert."""

MAX_COUNT: Final = 2**53
"""Maximum of counts, including bytes. Larger whole numbers lose digits in JSON."""
MAX_CORES: Final = 100_000.0

REPLACEMENT_CHARACTER: Final = "\ufffd"
"""Replaces a character that is not kept: a control character other than tabs and line ends, or half of a
surrogate pair."""
_CONTROL_CHARACTERS: Final = "\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff"
_DISALLOWED_CHARACTERS: Final = re.compile(f"[{_CONTROL_CHARACTERS}]")
INVALID_NAME_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_.-]")
"""A character that a container's name does not contain."""
UNREADABLE_CHARACTERS: Final = re.compile(f"[{_CONTROL_CHARACTERS}{REPLACEMENT_CHARACTER}]")
"""Characters that a valid label does not contain."""


def limit_text(value: object, most: int) -> str:
    """Return at most `most` characters that an event can carry; empty if `value` is not a text."""
    if not isinstance(value, str):
        return ""
    prefix = value[:most]
    return prefix if prefix.isprintable() else _DISALLOWED_CHARACTERS.sub(REPLACEMENT_CHARACTER, prefix)


def shorten_identifier(value: object, most: int) -> str:
    """Like `limit_text`, for names: a value that is too long keeps its beginning and its end, and still
    differs from every other."""
    if not isinstance(value, str) or len(value) <= most:
        return limit_text(value, most)
    mark = f"~{digest(value.encode(errors='replace'), 8)}~"
    tail = (most - len(mark)) // 3
    return limit_text(f"{value[: most - len(mark) - tail]}{mark}{value[-tail:]}", most)


def limit_container_name(name: str) -> str:
    """Return the container's name as an event carries it. No engine allows other characters, and they have
    meanings here: `web1/app` is a container of the host web1, and `*` is all containers."""
    return shorten_identifier(INVALID_NAME_CHARACTER.sub(REPLACEMENT_CHARACTER, name), MAX_NAME_CHARACTERS)


def limit_texts(values: object, most: int) -> tuple[str, ...]:
    """Return at most MAX_ITEMS non-empty texts."""
    items = values if isinstance(values, list | tuple) else ()
    return tuple(filter(None, (limit_text(each, most) for each in items[:MAX_ITEMS])))


def clamp_int(value: object, most: int = MAX_COUNT, least: int = 0) -> int:
    """Return a whole number within the range; `least` if `value` is not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return least
    return min(max(int(value), least), most) if isinstance(value, int | float) else least


def clamp_float(value: object, most: float = MAX_NUMBER, least: float = 0.0) -> float:
    """Return a finite number within the range; `least` if `value` is not a number."""
    if not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN differs from itself
        return least
    return float(min(max(value, least), most))


def limit_evidence(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return evidence that an event can carry: finite numbers and short texts."""
    return tuple(map(_limit_evidence_item, tuple(evidence)[:MAX_EVIDENCE_ITEMS]))


def _limit_evidence_item(item: Evidence) -> Evidence:
    name, unit = limit_text(item.name, MAX_WORD_CHARACTERS), limit_text(item.unit, MAX_WORD_CHARACTERS)
    if isinstance(item.value, str):
        return Evidence(name, limit_text(item.value, MAX_LINE_CHARACTERS), unit)
    if isinstance(item.value, bool):
        return Evidence(name, item.value, unit)
    return Evidence(name, clamp_float(item.value, least=-MAX_NUMBER), unit)
