"""Judges probes of containers whose images have no health check, set by the label `hemostat.probe`.

A container hangs if its probe failed several times in a row. Until the first success, failures within the
start period count as part of the start. A probe that was not sent, because its container cannot be reached
from here, says nothing about the container.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final, NamedTuple

import msgspec

from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ContainerInfo, PortBinding
from hemostat.events import Phase

START_PERIOD_SECONDS: Final = 60.0
LOOPBACK_ADDRESS: Final = "127.0.0.1"
SHARED_NETWORK_PREFIX: Final = "container:"
HOST_ADDRESS_ERROR: Final = "its address is this host's"
REMOTE_ENGINE_ERROR: Final = "its engine runs on another machine"
ROOTLESS_ENGINE_ERROR: Final = "its engine is rootless, and its networks are not reachable from the host"
OTHER_NETWORK_ERROR: Final = "HemoStat is not in the network namespace of its engine"
NO_ADDRESS_ERROR: Final = "it has no IP address"
PUBLISH_ADVICE: Final = "publish the port on the engine's host, or use a health check of the image"
UNSENT_ADVICE: Final = {
    REMOTE_ENGINE_ERROR: "use a health check of the image",
    ROOTLESS_ENGINE_ERROR: PUBLISH_ADVICE,
    OTHER_NETWORK_ERROR: "run HemoStat on the engine's host network, or use a health check of the image",
    NO_ADDRESS_ERROR: PUBLISH_ADVICE,
}
"""What helps, by the error of a probe that was not sent."""
UNSENT_ERRORS: Final = tuple(UNSENT_ADVICE)
BINDING_ERROR: Final = "no connection to its published port"
UNREACHABLE_ERRORS: Final = (
    *UNSENT_ERRORS,
    HOST_ADDRESS_ERROR,
    BINDING_ERROR,
    "no connection within",
    "no route to host",
    "network is unreachable",
    "host is down",
)
"""Beginnings of the errors of a probe that did not reach its container."""


class ProbeRoute(NamedTuple):
    """How a container is reached. `address`: from the engine's host network, empty without an IP address.
    `bindings`: its published ports."""

    address: str = ""
    bindings: tuple[PortBinding, ...] = ()

    def find_binding(self, target: ProbeTarget) -> PortBinding | None:
        """Return the port of the engine's host that is forwarded to the target."""
        return next((each for each in self.bindings if each.port == target.port), None)


def find_route(info: ContainerInfo, infos: Mapping[str, ContainerInfo]) -> ProbeRoute | None:
    """Return how the container is reached; None if it shares the network of an unknown container. `infos` are
    the host's containers by id and by name. The container may share the network of one of them."""
    visited_ids: set[str] = set()
    while info.network_mode.startswith(SHARED_NETWORK_PREFIX):
        owner = infos.get(info.network_mode.removeprefix(SHARED_NETWORK_PREFIX))
        if owner is None or owner.ref.id in visited_ids:
            return None
        visited_ids.add(owner.ref.id)
        info = owner
    if info.network_mode == "host":
        return ProbeRoute(LOOPBACK_ADDRESS)
    return ProbeRoute(info.address if _is_of_container(info.address) else "", info.bindings)


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


def is_unsent(error: str) -> bool:
    return error.startswith(UNSENT_ERRORS)


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
    if state.reached and is_unsent(error):
        return state, None
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
