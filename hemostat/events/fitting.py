"""Makes an event's data acceptable to every reader: finite numbers, valid text, a bounded size.

Values are bounded where they enter, so hardly any event is changed here. But an event that its reader refuses
is lost, such as a crash that is then not healed. So optional parts are left out instead. The parameters of an
action are sent unchanged or not at all.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from hemostat.events.data import Container, HealthAlert

T = TypeVar("T")

MAX_NUMBER: Final = 1e18
MAX_EVIDENCE: Final = 10
MAX_TEXTS: Final = ((1000, 20), (100, 5), (20, 2))
"""Maximum characters of a text and items of a list, for each step."""
NECESSARY_LABELS: Final = frozenset(
    {"hemostat.enable", "hemostat.protect", "hemostat.mode", "hemostat.actions", "hemostat.job"}
    | {"com.docker.compose.project", "com.docker.compose.service"}
)
UNCHANGED: Final = frozenset({"id", "parameters"})
"""Fields that are sent unchanged."""
NUMBERS: Final = frozenset({float, int})
WITHOUT_NUMBERS: Final = frozenset({str, bool, type(None), Container})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class TooLargeError(ValueError):
    """Data from which nothing more can be left out."""


def encode_data(data: T, most: int) -> tuple[T, bytes]:
    """Return the reduced data, and its JSON of at most `most` bytes. Raises TooLargeError."""
    data, raw = _encode(data)
    for step in STEPS:
        if len(raw) <= most:
            return data, raw
        data = step(data)
        raw = msgspec.json.encode(data)
    if len(raw) > most:
        raise TooLargeError(f"{type(data).__name__} of {len(raw)} bytes is larger than {most}")
    return data, raw


def _encode(data: T) -> tuple[T, bytes]:
    try:
        if is_finite(data):
            return data, msgspec.json.encode(data)
    except UnicodeEncodeError:
        pass  # half of a surrogate pair
    plain: T = _rebuild(data, _replace_unencodable)
    return plain, msgspec.json.encode(plain)


def is_finite(value: Any) -> bool:
    """Return whether all numbers in it are finite and small enough to be read."""
    kind = type(value)
    if kind in NUMBERS:
        return bool(-MAX_NUMBER <= value <= MAX_NUMBER)
    if kind is dict:
        parts = value.values()
    elif kind is tuple:
        parts = value
    elif isinstance(value, msgspec.Struct):
        parts = msgspec.structs.astuple(value)
    else:
        return True
    # Most parts are no containers: a call for each of them would take most of the time of decoding.
    for part in parts:
        kind = type(part)
        if kind in NUMBERS:
            if not -MAX_NUMBER <= part <= MAX_NUMBER:
                return False
        elif kind not in WITHOUT_NUMBERS and not is_finite(part):
            return False
    return True


def _replace_unencodable(value: Any) -> Any:
    if type(value) is str:
        return _SURROGATE.sub("\ufffd", value)
    if type(value) not in NUMBERS or is_finite(value):
        return value
    if value != value:  # noqa: PLR0124 - NaN; a whole number may be too large for math.isnan
        return 0.0
    return type(value)(MAX_NUMBER if value > 0 else -MAX_NUMBER)


# --- what is left out ---------------------------------------------------------------------------------


def _rebuild(
    value: Any,
    change: Callable[[Any], Any],
    *,
    most: int | None = None,
    unchanged: frozenset[str] = frozenset(),
) -> Any:
    """Apply `change` to each part, the innermost first, and keep at most `most` items of each list."""

    def again(part: Any) -> Any:
        return _rebuild(part, change, most=most, unchanged=unchanged)

    if isinstance(value, msgspec.Struct):
        names = [name for name in value.__struct_fields__ if name not in unchanged]
        value = msgspec.structs.replace(value, **{name: again(getattr(value, name)) for name in names})
    elif isinstance(value, tuple):
        value = tuple(map(again, value[:most]))
    elif isinstance(value, dict):
        value = {again(key): again(part) for key, part in list(value.items())[:most]}
    return change(value)


def _without_downstream(part: Any) -> Any:
    return msgspec.structs.replace(part, downstream=()) if isinstance(part, HealthAlert) else part


def _without_labels(part: Any) -> Any:
    if not isinstance(part, Container):
        return part
    labels = {name: text for name, text in part.labels.items() if name in NECESSARY_LABELS}
    return msgspec.structs.replace(part, labels=labels)


def _without_evidence(part: Any) -> Any:
    if not isinstance(part, HealthAlert):
        return part
    return msgspec.structs.replace(part, evidence=part.evidence[:MAX_EVIDENCE])


def _shorten(characters: int, items: int) -> Callable[[Any], Any]:
    def cut(part: Any) -> Any:
        return part[:characters] if type(part) is str else part

    return lambda data: _rebuild(data, cut, most=items, unchanged=UNCHANGED)


STEPS: Final[tuple[Callable[[Any], Any], ...]] = (
    partial(_rebuild, change=_without_downstream),
    partial(_rebuild, change=_without_labels),
    partial(_rebuild, change=_without_evidence),
    *(_shorten(*bounds) for bounds in MAX_TEXTS),
)
"""The reductions, applied in this order until the data fit."""
