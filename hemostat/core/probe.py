"""Probes of a container's own, for images without a health check: the label `hemostat.probe`.

A label may make us call its own container and nothing else, so it names no host: `http://:8080/health`,
`https://:8443/`, `tcp://:5432`. A container hangs when its probe has failed several times in a row. Failures
within the start period are its start, until its first success.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from hemostat.core.model import ContainerInfo
from hemostat.core.units import duration
from hemostat.events import Phase

LABEL: Final = "hemostat.probe"
START_LABEL: Final = "hemostat.probe.start_period"
START_PERIOD: Final = 60.0
LOOPBACK: Final = "127.0.0.1"
SHARED: Final = "container:"

_FORM: Final = re.compile(r"(http|https|tcp)://(?::([0-9]{1,5}))?(/[!-~]*)?", re.IGNORECASE)
_PORTS: Final = {"http": 80, "https": 443, "tcp": 0}


class Target(NamedTuple):
    """`scheme` is http, https or tcp; `path`, of http, begins with a slash."""

    scheme: str
    port: int
    path: str = "/"

    def __str__(self) -> str:
        path = "" if self.scheme == "tcp" else self.path
        return f"{self.scheme}://:{self.port}{path}"


def parse(label: str) -> Target:
    """Raises ValueError for what is no probe, or names a host."""
    match = _FORM.fullmatch(label.strip())
    if match is None:
        raise ValueError(
            f"{label!r} is not a probe such as http://:8080/health or tcp://:5432, without a host"
        )
    scheme = match[1].lower()
    port = int(match[2] or _PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004
        raise ValueError(f"{label!r} has no port from 1 to 65535")
    if scheme == "tcp" and match[3] not in {None, "/"}:
        raise ValueError(f"{label!r} has a path, and TCP has none")
    return Target(scheme, port, match[3] or "/")


def target(labels: Mapping[str, str]) -> Target | None:
    """What a container asks to be probed on; None where it does not, or makes a typing mistake."""
    try:
        return parse(labels[LABEL])
    except (KeyError, ValueError):
        return None


def address_of(info: ContainerInfo, others: Mapping[str, ContainerInfo]) -> str | None:
    """The IP address on which a container is reached from the engine's host; None where it has none.
    `others` are the host's containers by id and by name, among them the one whose network it may share."""
    seen: set[str] = set()
    while info.network_mode.startswith(SHARED):
        owner = others.get(info.network_mode.removeprefix(SHARED))
        if owner is None or owner.ref.id in seen:
            return None
        seen.add(owner.ref.id)
        info = owner
    return LOOPBACK if info.network_mode == "host" else info.address or None


def start_period(labels: Mapping[str, str], default: float = START_PERIOD) -> float:
    """Seconds; the default where the label does not parse."""
    try:
        return duration(labels[START_LABEL])
    except (KeyError, ValueError):
        return default


class Probing(msgspec.Struct, frozen=True):
    """What the probes of one process have shown. `failures` are those in a row, up to now."""

    failures: int = 0
    since: float = 0.0
    """When the first of them was (epoch seconds)."""
    succeeded: bool = False
    raised: bool = False


def judge(
    state: Probing,
    error: str,
    *,
    now: float,
    started_at: float,
    failures: int = 3,
    start_period: float = START_PERIOD,
) -> tuple[Probing, Phase | None]:
    """One more answer, `error` empty where it is well: the new state, and the transition if any."""
    if not error:
        return Probing(succeeded=True), Phase.CLEARED if state.raised else None
    if not (state.succeeded or state.raised or now - started_at >= start_period):
        return state, None
    since = state.since if state.failures else now
    count = state.failures + 1
    raised = state.raised or count >= failures
    phase = Phase.RAISED if raised and not state.raised else None
    return Probing(count, since, state.succeeded, raised), phase
