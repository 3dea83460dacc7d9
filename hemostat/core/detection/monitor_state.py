"""Encodes and decodes the state that a monitor keeps over a restart, entry by entry where necessary.

An entry that cannot be read or written is lost alone. If the rest were lost too, the next monitor would take
containers that died meanwhile for containers that were dead before.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from hemostat.core.detection.alert_rate import WaitingAlert
from hemostat.core.detection.event_cursor import Cursor
from hemostat.core.detection.incidents import Incident
from hemostat.core.detection.watched_container import RestoredContainers
from hemostat.core.labels.container_ref import keep_short_labels
from hemostat.events.fitting import is_finite

MAX_NAMED_ENTRIES: Final = 5
"""Lost entries that are named."""


class MonitorState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    cursor: Cursor = Cursor()
    past: RestoredContainers = RestoredContainers()
    waiting: tuple[WaitingAlert, ...] = ()
    """Alerts to be sent later."""


FIELDWISE_TYPES: Final = (MonitorState, RestoredContainers, Cursor)
"""Types that are read and written field by field. Each item of their collections is one entry."""


MAX_LABEL_CHARACTERS: Final = 2048
"""Characters of the labels of one container in the state. The state is written as a whole, and labels may be
twenty times as long. A container that still exists has all of its labels again after a restart."""

NULL_VALUE_PATTERN: Final = re.compile(rb"[:,\[]null")
"""The encoded form of a number that is not finite."""


class LostEntries(list[str]):
    """The paths of lost entries, such as `past.deaths.ID`."""

    def __str__(self) -> str:
        more = len(self) - MAX_NAMED_ENTRIES
        return ", ".join(self[:MAX_NAMED_ENTRIES]) + (f" and {more} more" if more > 0 else "")


def encode_state(state: MonitorState) -> tuple[bytes, LostEntries]:
    """Return the bytes, and the entries that were left out: numbers that are not finite, and text that cannot
    be encoded."""
    state = _limit_labels(state)
    try:
        raw = msgspec.json.encode(state)
    except Exception:  # noqa: BLE001 - on any error the entries are tried one by one
        raw = b"null"
    if raw != b"null" and NULL_VALUE_PATTERN.search(raw) is None:
        return raw, LostEntries()
    lost_entries = LostEntries()
    valid_state = _rebuild(MonitorState, _get_fields(state), lost_entries, _check_encodable)
    return msgspec.json.encode(valid_state), lost_entries


def _limit_labels(state: MonitorState) -> MonitorState:
    past = msgspec.structs.replace(
        state.past,
        incidents=tuple(map(_limit_incident_labels, state.past.incidents)),
        ended=tuple(map(_limit_incident_labels, state.past.ended)),
    )
    return msgspec.structs.replace(state, past=past, waiting=tuple(map(_limit_alert_labels, state.waiting)))


def _limit_incident_labels(incident: Incident) -> Incident:
    container = keep_short_labels(incident.container, MAX_LABEL_CHARACTERS)
    if container is incident.container:
        return incident
    return msgspec.structs.replace(incident, container=container)


def _limit_alert_labels(entry: WaitingAlert) -> WaitingAlert:
    container = keep_short_labels(entry.alert.container, MAX_LABEL_CHARACTERS)
    if container is entry.alert.container:
        return entry
    return msgspec.structs.replace(entry, alert=msgspec.structs.replace(entry.alert, container=container))


def decode_state(raw: bytes) -> tuple[MonitorState, LostEntries]:
    """Return the state and the unreadable entries. Raises ValueError if `raw` is not a JSON object."""
    try:
        return msgspec.json.decode(raw, type=MonitorState), LostEntries()
    except (ValueError, RecursionError):
        pass
    try:
        document = json.loads(raw)  # json also reads numbers that msgspec refuses.
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - the same error as for invalid JSON
    lost_entries = LostEntries()
    state: MonitorState = _rebuild(MonitorState, document, lost_entries, _convert_value)
    return state, lost_entries


def _convert_value(value: Any, shape: Any) -> Any:
    """Raises ValueError for a value of another type, or one that cannot be encoded again."""
    return _check_encodable(msgspec.convert(value, shape), shape)


def _check_encodable(value: Any, _: Any) -> Any:
    """Return the value if it can be encoded and decoded again. Raises ValueError."""
    if not is_finite(value):
        raise ValueError("is not finite")
    msgspec.json.encode(value)
    return value


def _rebuild(shape: Any, raw_value: Any, lost_entries: LostEntries, accept: Any, path: str = "") -> Any:
    """Return a value of this type from the parts that `accept` takes. Fields and entries that it refuses are
    left out."""
    if shape in FIELDWISE_TYPES:
        return _rebuild_struct(shape, raw_value, lost_entries, accept, path)
    if get_origin(shape) is dict and isinstance(raw_value, dict):
        of = get_args(shape)[1]
        names = [key for key in raw_value if _try_accept(str, key, lost_entries, accept, path)]
        entries = (
            (key, _try_accept(of, raw_value[key], lost_entries, accept, f"{path}.{key}")) for key in names
        )
        return {key: value[0] for key, value in entries if value}
    if get_origin(shape) is tuple and isinstance(raw_value, list | tuple):
        of = get_args(shape)[0]
        items = (
            _try_accept(of, each, lost_entries, accept, f"{path}.{n}") for n, each in enumerate(raw_value)
        )
        return tuple(item[0] for item in items if item)
    return accept(raw_value, shape)


def _rebuild_struct(shape: Any, raw_value: Any, lost_entries: LostEntries, accept: Any, path: str) -> Any:
    hints = get_type_hints(shape)
    values = {}
    for name, value in _iter_items(raw_value):
        if name in hints:
            field_path = f"{path}.{name}".lstrip(".")
            try:
                values[name] = _rebuild(hints[name], value, lost_entries, accept, field_path)
            except Exception:  # noqa: BLE001 - on any error the field is lost
                lost_entries.append(field_path)
    return shape(**values)


def _try_accept(of: Any, value: Any, lost_entries: LostEntries, accept: Any, path: str) -> tuple[Any] | None:
    try:
        return (accept(value, of),)
    except Exception:  # noqa: BLE001 - on any error the entry is lost
        lost_entries.append(path)
        return None


def _iter_items(raw_value: Any) -> Iterator[tuple[str, Any]]:
    yield from (raw_value if isinstance(raw_value, dict) else _get_fields(raw_value)).items()


def _get_fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
