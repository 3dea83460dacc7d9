"""Marks fields of structs for outputs: which are times, and which have a clearer name.

The marks change neither what is sent nor what is stored. `hemostat.json_output` reads them.
"""

from typing import Annotated, Any, Final, get_args, get_origin

from msgspec import Meta

UNIT_KEY: Final = "unit"
EPOCH_UNIT: Final = "epoch"
RENAMED_KEY: Final = "renamed_to"

Epoch = Annotated[float, Meta(description="Epoch seconds, UTC.", extra={UNIT_KEY: EPOCH_UNIT})]
"""A time. Outputs show it also as ISO 8601."""


def renamed_to(name: str) -> Meta:
    """Mark a field that outputs show under a clearer name, too, until the present name is removed."""
    return Meta(extra={RENAMED_KEY: name})


def is_epoch(annotation: Any) -> bool:
    """Whether a field of this type is a time."""
    return any(mark.get(UNIT_KEY) == EPOCH_UNIT for mark in _list_marks(annotation))


def find_new_name(annotation: Any) -> str:
    """The clearer name of a field of this type; empty without one."""
    return next((mark[RENAMED_KEY] for mark in _list_marks(annotation) if RENAMED_KEY in mark), "")


def _list_marks(annotation: Any) -> list[dict[str, Any]]:
    """The marks of the type itself, or of a member of a union. Marks of elements are not the field's."""
    if get_origin(annotation) is Annotated:
        inner, *metas = get_args(annotation)
        return [each.extra for each in metas if isinstance(each, Meta) and each.extra] + _list_marks(inner)
    members = get_args(annotation) if type(None) in get_args(annotation) else ()
    return [mark for member in members for mark in _list_marks(member)]
