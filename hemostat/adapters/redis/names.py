"""Reads the names that shell completion offers: containers, projects, incidents and approvals.

Values are decoded in part. What cannot be decoded is left out: other users write it.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from hemostat.adapters.redis.brief_connection import BriefConnection, parse_server
from hemostat.adapters.redis.keys import APPROVALS_KEY, LIVE_PREFIX, PREFIX, SOCKET_NAME, STATS_PREFIX
from hemostat.config import Settings
from hemostat.private_files import check_directory, check_file
from hemostat.streams import find_mismatch

MAX_CONTAINERS: Final = 2000
MAX_EVENTS: Final = 200
"""Latest events of each type that are read."""
GONE_SECONDS: Final = 300.0
"""Seconds for which a container is listed after its last statistics. Clocks of hosts may differ."""
INCIDENT_TYPES: Final = ("health_alert", "remediation_complete")
"""Types of the events that belong to every incident, and to every order."""
PROJECT_LABEL: Final = "com.docker.compose.project"

Shape = TypeVar("Shape")


class ContainerName(NamedTuple):
    host: str
    name: str


class IncidentName(NamedTuple):
    id: str
    kind: str
    container: str


class ApprovalName(NamedTuple):
    id: str
    action: str
    container: str


class _Container(msgspec.Struct):
    name: str
    labels: dict[str, str] = {}


class _Data(msgspec.Struct):
    container: _Container
    kind: str = ""


class _Event(msgspec.Struct):
    type: str
    source: str
    data: _Data
    time: float = 0.0
    incident: str | None = None


class _Approval(msgspec.Struct):
    id: str
    container: str
    action: str
    until: float
    requested: float = msgspec.field(name="asked")
    answer: str | None = None


def open_connection(settings: Settings, seconds: float) -> BriefConnection:
    """A connection to the configured Redis, or to the embedded one, which is not started. Raises BusError,
    OSError, ValueError, and UnsafePathError where another user may have made the socket.
    """
    redis = settings.redis
    if redis.url:
        server = parse_server(
            redis.url,
            username=redis.username,
            password=settings.redis_password or "",
            ca_file=_expand(redis.ca_file),
            cert_file=_expand(redis.cert_file),
            key_file=_expand(redis.key_file),
        )
        return BriefConnection(server, seconds)
    directory = settings.state_path.absolute()
    check_directory(directory)
    check_file(directory / SOCKET_NAME, is_kind="socket")
    server = parse_server("unix://", username=redis.username, password=settings.redis_password or "")
    return BriefConnection(server._replace(path=str(directory / SOCKET_NAME)), seconds)


def read_containers(connection: BriefConnection) -> list[ContainerName]:
    """All containers with recent statistics, sorted."""
    return sorted({each for each in map(_parse_key, _read_keys(connection)) if each is not None})


def read_projects(connection: BriefConnection) -> list[str]:
    keys = _read_keys(connection)
    [values] = connection.exchange([("MGET", *keys)]) if keys else [[]]
    events = _decode_events("container_stats", _as_list(values))
    labels = [event.data.container.labels for event in events]
    return sorted({each[PROJECT_LABEL] for each in labels if PROJECT_LABEL in each})


def read_incidents(connection: BriefConnection) -> list[IncidentName]:
    """The latest incidents, newest first."""
    replies = connection.exchange(
        [("XREVRANGE", PREFIX + name, "+", "-", "COUNT", MAX_EVENTS) for name in INCIDENT_TYPES]
    )
    events = [
        event
        for name, reply in zip(INCIDENT_TYPES, replies, strict=True)
        for event in _decode_events(name, map(_get_event, _as_list(reply)))
    ]
    events.sort(key=lambda event: -event.time)
    found: dict[str, IncidentName] = {}
    for event in events:
        if event.incident:
            incident = IncidentName(event.incident, event.data.kind, event.data.container.name)
            found.setdefault(event.incident, incident)
    return list(found.values())


def read_approvals(connection: BriefConnection) -> list[ApprovalName]:
    """The pending approvals, newest first."""
    [reply] = connection.exchange([("HGETALL", APPROVALS_KEY)])
    approvals = _decode_all(_as_list(reply)[1::2], _Approval)
    now = time.time()
    pending = [each for each in approvals if each.answer is None and now < each.until]
    pending.sort(key=lambda each: -each.requested)
    return [ApprovalName(each.id, each.action, each.container) for each in pending]


def _read_keys(connection: BriefConnection) -> list[bytes]:
    oldest = time.time() - GONE_SECONDS
    key = f"{LIVE_PREFIX}container_stats"
    [keys] = connection.exchange(
        [("ZRANGE", key, oldest, "+inf", "BYSCORE", "LIMIT", 0, MAX_CONTAINERS)],
    )
    return [each for each in _as_list(keys) if each.startswith(STATS_PREFIX.encode())]


def _parse_key(key: bytes) -> ContainerName | None:
    """The host may contain a colon, a container's name contains none."""
    host, colon, name = key.decode(errors="replace").removeprefix(STATS_PREFIX).rpartition(":")
    return ContainerName(host, name) if colon else None


def _get_event(row: Any) -> bytes:
    """The field `event` of a stream's entry: its id, and names and values in turn."""
    fields = row[1] or []
    values: dict[bytes, bytes] = dict(zip(fields[::2], fields[1::2], strict=True))
    return values.get(b"event", b"")


def _decode_events(stream: str, values: Iterable[Any]) -> Iterator[_Event]:
    for event in _decode_all(values, _Event):
        if not find_mismatch(stream, event.type, event.source):
            yield event


def _decode_all(values: Iterable[Any], shape: type[Shape]) -> Iterator[Shape]:
    for value in values:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
            yield msgspec.json.decode(value, type=shape)


def _as_list(reply: Any) -> list[Any]:
    """The reply; empty if Redis refused the command."""
    return reply if isinstance(reply, list) else []


def _expand(path: str) -> str:
    return str(Path(path).expanduser()) if path else ""
