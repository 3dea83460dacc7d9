"""Probes of a container's own, for images without a health check: the label `hemostat.probe`.

A container hangs when its probe has failed several times in a row. Failures within the start period are its
start, until its first success.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from hemostat.core.model import ContainerInfo
from hemostat.events import Phase

START_PERIOD_SECONDS: Final = 60.0
LOOPBACK_ADDRESS: Final = "127.0.0.1"
SHARED_NETWORK_PREFIX: Final = "container:"
UNREACHABLE_ERRORS: Final = (
    "no connection within",
    "no route to host",
    "network is unreachable",
    "host is down",
)
"""How the errors begin of a probe that found no way to its container."""


def find_address(info: ContainerInfo, others: Mapping[str, ContainerInfo]) -> str | None:
    """The IP address on which a container is reached from the engine's host; None where it has none.
    `others` are the host's containers by id and by name, among them the one whose network it may share."""
    seen: set[str] = set()
    while info.network_mode.startswith(SHARED_NETWORK_PREFIX):
        owner = others.get(info.network_mode.removeprefix(SHARED_NETWORK_PREFIX))
        if owner is None or owner.ref.id in seen:
            return None
        seen.add(owner.ref.id)
        info = owner
    return LOOPBACK_ADDRESS if info.network_mode == "host" else info.address or None


def is_unreachable(error: str) -> bool:
    """Whether the probe never got as far as the container: what refuses a connection has been reached."""
    return error.startswith(UNREACHABLE_ERRORS)


class Probing(msgspec.Struct, frozen=True):
    """What the probes of one process have shown. `failures` are those in a row, up to now."""

    failures: int = 0
    since: float = 0.0
    """When the first of them was (epoch seconds)."""
    succeeded: bool = False
    raised: bool = False
    reached: bool = False
    """Whether any probe of this container, of an earlier process too, has got as far as the container."""
    astray: bool = False
    """Whether what was raised is that no probe ever has."""

    def of_next_process(self) -> "Probing":
        return Probing(reached=self.reached)


def record_probe_result(
    state: Probing,
    error: str,
    *,
    now: float,
    started_at: float,
    failures: int = 3,
    start_period: float = START_PERIOD_SECONDS,
) -> tuple[Probing, Phase | None]:
    """One more answer, `error` empty where it is well: the new state, and the transition if any."""
    if not error:
        return Probing(succeeded=True, reached=True), Phase.CLEARED if state.raised else None
    reached = state.reached or not is_unreachable(error)
    if state.astray and reached:  # What was told of it was another failure than this.
        state = Probing(reached=True)
    state = msgspec.structs.replace(state, reached=reached)
    if not (state.succeeded or state.raised or now - started_at >= start_period):
        return state, None
    since = state.since if state.failures else now
    count = state.failures + 1
    raised = state.raised or count >= failures
    phase = Phase.RAISED if raised and not state.raised else None
    astray = raised and not reached
    return Probing(count, since, state.succeeded, raised, reached, astray), phase
