"""How much the responder may do: the configuration table `responder`. What it means, core.remediation.policy
says."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hemostat.core.labels.values import Mode
from hemostat.core.units import Bytes, Seconds
from hemostat.events import Action

MAX_LOOKBACK_SECONDS: Final = 48 * 3600.0
"""Seconds for which attempts are kept at least: no rule may look back for longer."""
MAX_RECENT_ATTEMPTS: Final = 50
"""Attempts of a whole host that a decision knows of: what asks for more of them never objects."""

Lookback = Annotated[float, Meta(ge=0, le=MAX_LOOKBACK_SECONDS, extra={"unit": "duration"})]


class ResponderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `responder`."""

    mode: Mode = "auto"
    """`approve` waits for a person; `dry-run` tells what would be done, and does nothing."""
    modes: dict[Action, Mode] = {}
    """The same by action. Of all that apply to a request the strictest wins."""
    project_modes: dict[str, Mode] = {}
    """The same by compose project."""
    approve_for: Seconds = 900.0
    """How long a person has to approve; then it is not done."""
    actions: tuple[Action, ...] = (Action.RESTART, Action.START, Action.CLEANUP)
    """What may be done at all. The label `hemostat.actions` narrows it for one container."""
    orders: tuple[Action, ...] = (
        Action.RESTART,
        Action.START,
        Action.STOP,
        Action.SCALE,
        Action.CLEANUP,
        Action.EXEC,
    )
    """What people may order (`hemostat order`)."""
    orders_override: bool = False
    """Whether people may order past budget, breakers, back-off and the minimum of healthy replicas."""
    protect: tuple[str, ...] = ()
    """Names of containers never to be touched; `*` and `?` match."""
    orchestrated: bool = False
    """Whether containers that an orchestrator manages (Swarm, Kubernetes, systemd) may be restarted."""
    budget: Annotated[int, Meta(ge=0)] = 3
    """Actions on one container within `budget_window`."""
    budget_window: Lookback = 3600.0
    cooldown: Lookback = 3600.0
    """How long a container is left alone once its budget is spent."""
    backoff: Seconds = 10.0
    """Wait after the first action on a container, doubling with each further one."""
    backoff_max: Seconds = 300.0
    backoff_reset: Lookback = 600.0
    """So long without an action, and the back-off begins anew."""
    breaker_failures: Annotated[int, Meta(ge=1)] = 3
    """Failed remediations in a row that open a container's circuit breaker."""
    host_breaker_failures: Annotated[int, Meta(ge=1)] = 5
    """The same for a host, where they were on more than one container."""
    breaker_open: Lookback = 600.0
    """How long a breaker stays open before one trial is let through."""
    concurrency: Annotated[int, Meta(ge=1)] = 4
    """Actions at the same time on one host; of one project at most half as many, where others wait."""
    rush: Annotated[int, Meta(ge=1)] = 10
    """Actions on one host within a minute; further ones wait."""
    min_healthy: Annotated[int, Meta(ge=0)] = 1
    """Replicas of a compose service that must stay healthy when another healthy one is acted on."""
    expire: Lookback = 900.0
    """A failure that began longer ago is not acted on any more: a person has come to terms with it."""
    verify_for: Seconds = 2.0
    """How long a container must be well after an action to count as healed."""
    verify_timeout: Seconds = 60.0
    """How long it may take to become well."""
    stop_timeout_max: Annotated[float, Meta(ge=0, le=600, extra={"unit": "duration"})] = 120.0
    """The longest time that a container is given to stop, whatever its label or its own setting asks for."""
    scale_memory_max: Bytes = 0
    """What scaling may raise a container's memory limit to, where its label does not say; 0 is no scaling."""
    scale_cpu_max: Annotated[float, Meta(ge=0)] = 0.0
    """The same of its CPU limit, in cores."""
    scale_calm: Seconds = 1800.0
    """How long a raised limit stays at least."""
    cleanup_host: bool = False
    """Whether a cleanup of the host may delete what nothing uses."""
    cleanup_stopped_older_than: Seconds = 86400.0
    cleanup_images: bool = True
    cleanup_build_cache: bool = True
    cleanup_volumes: bool = False
    exec_timeout: Seconds = 30.0
    """How long a command in a container may take."""
