"""Parses and formats durations and sizes, in the configuration, in labels and in sentences; formats measured
facts."""

import math
import re
from typing import Annotated, Final

from msgspec import Meta

from hemostat.core.text import quote_text
from hemostat.events import Evidence

MAX_SECONDS: Final = 100 * 365 * 86400.0
MAX_BYTES: Final = 1 << 60
MAX_CHARACTERS: Final = 64
"""Characters of a duration or a size as text."""

Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS, extra={"unit": "duration"})]
Period = Annotated[float, Meta(ge=0.1, le=MAX_SECONDS, extra={"unit": "duration"})]
Bytes = Annotated[int, Meta(ge=0, le=MAX_BYTES, extra={"unit": "size"})]
Percent = Annotated[float, Meta(gt=0)]

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES_PER_UNIT: Final = {
    "": 1,
    "b": 1,
    **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("k", "m", "g", "t"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib"), 1)},
}
"""`k`, `m`, `g` are binary, as in `docker run --memory`."""

_SIZE_PATTERN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_DURATION_PATTERN: Final = re.compile(r"(?:\s*\d+(?:\.\d+)?\s*(?:ms|s|m|h|d))+\s*", re.IGNORECASE)
_DURATION_PART_PATTERN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Return the seconds of `10`, `10s`, `1h30m`, `250ms`, at most MAX_SECONDS. Raises ValueError."""
    value = _parse_seconds(text) if len(text) <= MAX_CHARACTERS else None
    if value is None or not 0 <= value <= MAX_SECONDS:
        raise ValueError(f"{quote_text(text)} is not a duration such as 10s, 5m or 1h30m")
    return value


def _parse_seconds(text: str) -> float | None:
    if _DURATION_PATTERN.fullmatch(text):
        return sum(
            float(number) * _SECONDS_PER_UNIT[unit.lower()]
            for number, unit in _DURATION_PART_PATTERN.findall(text)
        )
    try:
        return float(text)
    except ValueError:
        return None


def parse_size(text: str) -> int:
    """Return the bytes of `1048576`, `64m`, `1.5GiB`, `100MB`, at most MAX_BYTES. Raises ValueError."""
    match = _SIZE_PATTERN.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    value = None if match is None else float(match[1]) * _BYTES_PER_UNIT.get(match[2].lower(), math.nan)
    if value is None or not 0 <= value <= MAX_BYTES:
        raise ValueError(f"{quote_text(text)} is not a size such as 64m, 1.5GiB or 100MB")
    return int(value)


def show_duration(seconds: float) -> str:
    """Return a duration in at most two units: `340 ms`, `3.1 s`, `4 min 12 s`, `1 h 5 min`."""
    if seconds < 0.9995:  # noqa: PLR2004
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:  # noqa: PLR2004
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)


def show_size(count: float) -> str:
    """Return bytes in binary units: `512 B`, `63.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def show_size_share(part: float, whole: float) -> str:
    """Return two sizes, the unit once if it is the same: `27.5 of 48.0 MiB`."""
    first, last = show_size(part), show_size(whole)
    number, _, unit = first.partition(" ")
    return f"{number if last.endswith(f' {unit}') else first} of {last}"


def format_fact(item: Evidence) -> str:
    """Return a measured fact as text: `exit code 7`, `memory 61.4 MiB`."""
    label = item.name.replace("_", " ")
    return label if item.value is True else f"{label} {format_value(item)}"


def format_value(item: Evidence) -> str:
    """Return the value of a measured fact as text: `7`, `61.4 MiB`."""
    value, unit = item.value, item.unit
    if unit.startswith("B") and isinstance(value, float | int):
        return f"{show_size(value)}{unit[1:]}"
    if unit == "s" and isinstance(value, float | int):
        return show_duration(value)
    if isinstance(value, float):
        return f"{int(value) if value.is_integer() else f'{value:.4g}'} {unit}".rstrip()
    return f"{value} {unit}".rstrip()
