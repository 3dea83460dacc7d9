"""Parses setting values from text, according to the setting's type."""

from collections.abc import Callable
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from hemostat.core.text import quote_text
from hemostat.core.units import parse_duration, parse_size


def parse_value(shape: Any, raw: object) -> object:
    """The value that the text stands for. Durations and sizes are parsed everywhere. Values from outside a
    file may be comma-separated lists, and tables in JSON. Raises ValueError and msgspec.DecodeError."""
    if not isinstance(raw, str):
        return raw
    reader = _PARSERS.get(_get_unit(shape))
    if reader is not None:
        return reader(raw)
    if get_origin(shape) is Literal and raw not in get_args(shape):
        raise ValueError(f"{quote_text(raw)} is not one of {', '.join(get_args(shape))}")
    if get_origin(_strip_annotation(shape)) is dict or _is_list_of_tables(shape):
        return msgspec.json.decode(raw)
    if get_origin(_strip_annotation(shape)) is tuple:
        return tuple(item.strip() for item in raw.split(",") if item.strip())
    return raw


_PARSERS: Final[dict[str | None, Callable[[str], float]]] = {"duration": parse_duration, "size": parse_size}


def _get_unit(annotation: Any) -> str | None:
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, msgspec.Meta) and extra.extra:
            return str(extra.extra.get("unit"))
    return None


def _is_list_of_tables(shape: Any) -> bool:
    return get_origin(shape) is tuple and hasattr(get_args(shape)[0], "__struct_fields__")


def _strip_annotation(annotation: Any) -> Any:
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
