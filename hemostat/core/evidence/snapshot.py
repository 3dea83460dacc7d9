"""The stored form of an evidence snapshot, and its encoding. core.evidence.build creates snapshots."""

from typing import Annotated, Final, Self

import msgspec

from hemostat.errors import DecodeError
from hemostat.events import MAX_TIME, Action, Container, ContainerStats, Epoch, Evidence, Kind, State
from hemostat.events.fields import renamed_to
from hemostat.events.fitting import is_finite

MAX_POINTS: Final = 300
"""Points of a container's history: five minutes if its values change every second."""
POINTS_TTL_SECONDS: Final = 600.0
"""Seconds for which points are kept after the last one."""


class HealthcheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a health check. `time` is when the run began (epoch seconds)."""

    time: Epoch
    exit_code: int
    output: str = ""


class ContainerDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container was created, and its health checks, oldest first. Secrets are unmasked, as the engine
    reports them.

    Limits are as in ContainerInfo. `mounts` are destinations, with `:ro` if read-only. `error` is why the
    engine could not start the container.
    """

    command: tuple[str, ...] = ()
    restart_policy: str = "no"
    max_retries: int = 0
    cpu_limit: float | None = None
    memory_limit: int | None = None
    pids_limit: int | None = None
    networks: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    checks: tuple[HealthcheckRun, ...] = ()
    error: str = ""


class MetricPoint(msgspec.Struct, frozen=True, array_like=True):
    """One measurement: epoch seconds, CPU in percent (100 = one core), working set in bytes, network bytes
    per second received and sent. Points of older versions end after the memory."""

    time: Epoch
    cpu: float | None
    memory: int | None
    received: float | None = None
    sent: float | None = None

    @classmethod
    def from_stats(cls, stats: ContainerStats, time: float) -> Self:
        return cls(time, stats.cpu, stats.memory, stats.received, stats.sent)


class EvidenceSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The evidence of one occurrence of an incident, as it was at `time` before `action` was tried.

    `missing` gives the reason for each source that could not be read. `left_out` names the parts that were
    dropped for lack of space.
    """

    time: Epoch
    container: Container
    kind: Kind
    action: Action
    occurrence: int = 1
    rung: int = 0
    state: State | None = None
    log: str = ""
    processes: tuple[str, ...] = ()
    details: ContainerDetails | None = None
    samples: Annotated[tuple[MetricPoint, ...], renamed_to("points")] = ()
    evidence: tuple[Evidence, ...] = ()
    missing: dict[str, str] = {}
    left_out: tuple[str, ...] = ()


def is_valid_point(point: MetricPoint) -> bool:
    """Whether the numbers can be shown and the time is in the calendar. Other users write points to Redis."""
    return is_finite(point) and 0 <= point.time <= MAX_TIME


def is_valid_snapshot(snapshot: EvidenceSnapshot) -> bool:
    """As is_valid_point, for all times in the snapshot."""
    checks = () if snapshot.details is None else snapshot.details.checks
    times = (snapshot.time, *(check.time for check in checks))
    is_valid = is_finite(snapshot) and all(0 <= time <= MAX_TIME for time in times)
    return is_valid and all(map(is_valid_point, snapshot.samples))


def encode(snapshot: EvidenceSnapshot) -> bytes:
    return msgspec.json.encode(snapshot)


def decode(raw: bytes) -> EvidenceSnapshot:
    """Raises DecodeError."""
    try:
        return msgspec.json.decode(raw, type=EvidenceSnapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not an evidence snapshot: {error}") from None
