"""Judges probes of containers whose images have no health check, set by the label `hemostat.probe`.

A container hangs if its probe failed several times in a row. Until the first success, failures within the
start period count as part of the start.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import msgspec

from hemostat.core.model import ContainerInfo
from hemostat.events import Phase

START_PERIOD_SECONDS: Final = 60.0
LOOPBACK_ADDRESS: Final = "127.0.0.1"
SHARED_NETWORK_PREFIX: Final = "container:"
HOST_ADDRESS_ERROR: Final = "its address is this host's"
REMOTE_ENGINE_ERROR: Final = "its engine runs on another machine"
UNREACHABLE_ERRORS: Final = (
    HOST_ADDRESS_ERROR,
    REMOTE_ENGINE_ERROR,
    "no connection within",
    "no route to host",
    "network is unreachable",
    "host is down",
)
"""Beginnings of the errors of a probe that did not reach its container."""


def find_address(info: ContainerInfo, infos: Mapping[str, ContainerInfo]) -> str | None:
    """Return the IP address on which the container is reached from the engine's host; None if it has no
    address. `infos` are the host's containers by id and by name. The container may share the network of one
    of them."""
    visited_ids: set[str] = set()
    while info.network_mode.startswith(SHARED_NETWORK_PREFIX):
        owner = infos.get(info.network_mode.removeprefix(SHARED_NETWORK_PREFIX))
        if owner is None or owner.ref.id in visited_ids:
            return None
        visited_ids.add(owner.ref.id)
        info = owner
    if info.network_mode == "host":
        return LOOPBACK_ADDRESS
    return info.address if _is_of_container(info.address) else None


def _is_of_container(address: str) -> bool:
    """Return whether the address can be that of a container. A user who creates a network chooses its
    addresses. Those of the loopback network belong to the host, and metadata services of clouds have
    link-local ones."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified)


def is_unreachable(error: str) -> bool:
    """Return whether the probe never reached the container. A refused connection has reached it."""
    return error.startswith(UNREACHABLE_ERRORS)


class Probing(msgspec.Struct, frozen=True):
    """Probe results of one process. `failures` counts the latest failures in a row."""

    failures: int = 0
    since: float = 0.0
    """When the first of these failures was (epoch seconds)."""
    succeeded: bool = False
    raised: bool = False
    reached: bool = False
    """Whether any probe has reached this container, in this process or an earlier one."""
    never_reached: bool = False
    """Whether the incident was raised because no probe has ever reached the container."""

    def reset_for_next_process(self) -> "Probing":
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
    """Return the new state after a probe, and its transition if any. `error` is empty after a success."""
    if not error:
        return Probing(succeeded=True, reached=True), Phase.CLEARED if state.raised else None
    reached = state.reached or not is_unreachable(error)
    if state.never_reached and reached:  # The failure that was reported is not this one.
        state = Probing(reached=True)
    state = msgspec.structs.replace(state, reached=reached)
    if not (state.succeeded or state.raised or now - started_at >= start_period):
        return state, None
    since = state.since if state.failures else now
    count = state.failures + 1
    raised = state.raised or count >= failures
    phase = Phase.RAISED if raised and not state.raised else None
    is_never_reached = raised and not reached
    return Probing(count, since, state.succeeded, raised, reached, is_never_reached), phase
