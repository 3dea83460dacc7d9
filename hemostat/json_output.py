"""Builds what commands and exports print as JSON, from structs.

A time is epoch seconds in structs. Outputs have it also as ISO 8601 in UTC, in a field of its own with the
suffix `_iso`. A field with a clearer name is shown under both names.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from hemostat.core.text import escape_json
from hemostat.events import MAX_TIME
from hemostat.events.fields import find_new_name, is_epoch

ISO_SUFFIX: Final = "_iso"


class OutputField(NamedTuple):
    """How outputs show a field. `new_name` is empty for a field with one name."""

    name: str
    is_time: bool
    new_name: str

    @property
    def iso_name(self) -> str:
        """The name of the field with the time as ISO 8601; empty for any other field."""
        return f"{self.new_name or self.name}{ISO_SUFFIX}" if self.is_time else ""


@lru_cache(maxsize=256)
def list_output_fields(shape: type[msgspec.Struct]) -> dict[str, OutputField]:
    """By name. Fields of a struct that is encoded as an array have no name in outputs and are missing."""
    if shape.__struct_config__.array_like:
        return {}
    return {each.encode_name: describe_field(each) for each in msgspec.structs.fields(shape)}


def describe_field(field: msgspec.structs.FieldInfo) -> OutputField:
    return OutputField(field.encode_name, is_epoch(field.type), find_new_name(field.type))


def format_iso(moment: float) -> str | None:
    """ISO 8601 (RFC 3339) in UTC, to the millisecond. None for 0, which stands for never, and for a time
    beyond the calendar, as a wrong clock may send."""
    if not 0 < moment <= MAX_TIME:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def build_output(value: Any, fields: Any = None) -> Any:
    """The JSON object of a struct, or the array of a list of structs.

    `fields`: the same object as read from JSON, with fields that the struct lacks, such as those of a newer
    version.
    """
    return _add_names(value, msgspec.to_builtins(value) if fields is None else fields)


def encode_output(value: Any) -> str:
    """One line of JSON. Characters that a terminal or an editor would act on are escaped, and so are halves
    of surrogate pairs, as in names of files, which cannot be encoded."""
    return escape_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _add_names(value: Any, plain: Any) -> Any:
    """`plain`: the value in plain types. Returns it with the further names and times."""
    match plain:
        case dict() if isinstance(value, msgspec.Struct):
            return _add_fields(value, plain)
        case dict() if isinstance(value, Mapping):
            return {key: _add_names(value.get(key), each) for key, each in plain.items()}
        case list() | tuple() if isinstance(value, list | tuple) and len(value) == len(plain):
            return [_add_names(*each) for each in zip(value, plain, strict=True)]
        case float() if not math.isfinite(plain):
            return None
    return plain


def _add_fields(value: msgspec.Struct, plain: dict[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = {}
    known = list_output_fields(type(value))
    for key, each in plain.items():
        field = known.get(key)
        if field is None:
            output[key] = each
            continue
        output[key] = _add_names(getattr(value, key), each)
        if field.new_name and not field.is_time:
            output[field.new_name] = _name_arrays(getattr(value, key), output[key])
        if field.is_time:
            output[field.iso_name] = format_iso(each) if isinstance(each, int | float) else None
    return output


def _name_arrays(value: Any, plain: Any) -> Any:
    """Structs that are encoded as arrays, as objects."""
    if isinstance(value, tuple | list) and isinstance(plain, tuple | list):
        return [_name_arrays(*each) for each in zip(value, plain, strict=True)]
    if isinstance(value, msgspec.Struct) and value.__struct_config__.array_like:
        named: dict[str, Any] = {}
        for each, item in zip(msgspec.structs.fields(type(value)), plain, strict=False):
            named[each.name] = item
            if is_epoch(each.type):
                named[f"{each.name}{ISO_SUFFIX}"] = format_iso(item)
        return named
    return plain
