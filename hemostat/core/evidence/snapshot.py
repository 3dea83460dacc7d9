"""The shape in which evidence is kept, and its encoding. How one is made is core.evidence.build's to say."""

from typing import Final, Self

import msgspec

from hemostat.errors import DecodeError
from hemostat.events import Action, Container, ContainerStats, Evidence, Kind, State

MAX_POINTS: Final = 300
"""Points of a container's history: five minutes where its numbers change every second."""
POINTS_TTL_SECONDS: Final = 600.0
"""Seconds for which they are kept after the last of them."""


class HealthcheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a health check; `time` is when it began (epoch seconds)."""

    time: float
    exit_code: int
    output: str = ""


class ContainerDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container was made, and its health checks, oldest first. As an engine tells it, it holds secrets.

    Limits are as in ContainerInfo; `mounts` are destinations, read-only ones with `:ro`; `error` is why the
    engine could not start it.
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
    """One moment: epoch seconds, CPU in percent (100 = one core), working set in bytes, bytes a second
    received and sent over the network. Those kept by older versions end after the memory."""

    time: float
    cpu: float | None
    memory: int | None
    received: float | None = None
    sent: float | None = None

    @classmethod
    def of(cls, stats: ContainerStats, time: float) -> Self:
        return cls(time, stats.cpu, stats.memory, stats.received, stats.sent)


class EvidenceSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The evidence of one occurrence of an incident, as it was at `time` before `action` was tried.

    `missing` says of what could not be had why not. `left_out` names what was given up for want of room.
    """

    time: float
    container: Container
    kind: Kind
    action: Action
    occurrence: int = 1
    rung: int = 0
    state: State | None = None
    log: str = ""
    processes: tuple[str, ...] = ()
    details: ContainerDetails | None = None
    samples: tuple[MetricPoint, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    missing: dict[str, str] = {}
    left_out: tuple[str, ...] = ()


def encode(kept: EvidenceSnapshot) -> bytes:
    return msgspec.json.encode(kept)


def decode(raw: bytes) -> EvidenceSnapshot:
    """Raises DecodeError."""
    try:
        return msgspec.json.decode(raw, type=EvidenceSnapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not a dossier: {error}") from None
