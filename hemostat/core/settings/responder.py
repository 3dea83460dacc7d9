"""The configuration table `responder`: limits on remediation. core.remediation.policy applies them."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hemostat.core.labels.values import Mode
from hemostat.core.settings.windows import Window
from hemostat.core.units import Bytes, Seconds
from hemostat.events import Action, Kind

MAX_LOOKBACK_SECONDS: Final = 48 * 3600.0
"""Minimum seconds for which attempts are stored. No rule may look back further."""
MAX_RECENT_ATTEMPTS: Final = 50
"""Attempts of a whole host that a decision reads. A limit above this number never takes effect."""

Lookback = Annotated[float, Meta(ge=0, le=MAX_LOOKBACK_SECONDS, extra={"unit": "duration"})]


class ResponderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration table `responder`."""

    mode: Mode = "auto"
    """`approve` waits for a person. `dry-run` reports what would be done, and does nothing."""
    modes: dict[Action, Mode] = {}
    """Modes by action. The strictest mode that applies to a request wins."""
    project_modes: dict[str, Mode] = {}
    """Modes by Compose project."""
    windows: tuple[Window, ...] = ()
    """Times of the week with a stricter mode."""
    approve_for: Seconds = 900.0
    """Seconds in which a person can approve. After that the action is not done."""
    actions: tuple[Action, ...] = (Action.RESTART, Action.START, Action.CLEANUP)
    """Actions that may be done automatically. The label `hemostat.actions` narrows them for one container."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of alert that may lead to an automatic action. Empty: all. Other kinds are only reported."""
    orders: tuple[Action, ...] = (
        Action.RESTART,
        Action.START,
        Action.STOP,
        Action.SCALE,
        Action.CLEANUP,
        Action.EXEC,
    )
    """Actions that people may order (`hemostat order`)."""
    orders_budget: Annotated[int, Meta(ge=0)] = 10
    """Actions that people may order on one container within `budget_window`. They use no other budget."""
    orders_override: bool = False
    """Whether orders may exceed budget, breakers, back-off and the minimum of healthy replicas."""
    protect: tuple[str, ...] = ()
    """Names of containers that are never touched; `*` and `?` match."""
    orchestrated: bool = False
    """Whether containers managed by an orchestrator (Swarm, Kubernetes, systemd) may be restarted."""
    budget: Annotated[int, Meta(ge=0)] = 3
    """Actions on one container within `budget_window`."""
    budget_window: Lookback = 3600.0
    cooldown: Lookback = 3600.0
    """Seconds without actions on a container once its budget is spent."""
    backoff: Seconds = 10.0
    """Seconds to wait after the first action on a container, doubled with each further action."""
    backoff_max: Seconds = 300.0
    backoff_reset: Lookback = 600.0
    """Seconds without an action after which the back-off starts again."""
    breaker_failures: Annotated[int, Meta(ge=1)] = 3
    """Failed remediations in a row that open a container's circuit breaker."""
    host_breaker_failures: Annotated[int, Meta(ge=1)] = 5
    """The same for a host, if they were on more than one container."""
    breaker_open: Lookback = 600.0
    """Seconds that a breaker stays open before one trial is allowed."""
    concurrency: Annotated[int, Meta(ge=1)] = 4
    """Actions at the same time on one host. One project has at most half of them while others wait."""
    rush: Annotated[int, Meta(ge=1)] = 10
    """Actions on one host within a minute. Further ones wait."""
    min_healthy: Annotated[int, Meta(ge=0)] = 1
    """Replicas of a Compose service that must stay healthy when another healthy one is acted on."""
    expire: Lookback = 900.0
    """Seconds after which a failure is no longer acted on, because people have adapted to it by then."""
    verify_for: Seconds = 2.0
    """Seconds that a container must be well after an action to count as healed."""
    verify_timeout: Seconds = 60.0
    """Seconds that a container may take to become well."""
    stop_timeout_max: Annotated[float, Meta(ge=0, le=600, extra={"unit": "duration"})] = 120.0
    """Maximum seconds that a container gets to stop, whatever its label or its own setting requests."""
    scale_memory_max: Bytes = 0
    """Bytes to which scaling may raise a container's memory limit, unless its label says; 0 means no
    scaling."""
    scale_cpu_max: Annotated[float, Meta(ge=0)] = 0.0
    """Cores to which scaling may raise a container's CPU limit, unless its label says; 0 means no scaling."""
    scale_calm: Seconds = 1800.0
    """Minimum seconds that a raised limit stays."""
    cleanup_host: bool = False
    """Whether a cleanup of the host may delete unused items."""
    cleanup_stopped_older_than: Seconds = 86400.0
    cleanup_images: bool = True
    cleanup_build_cache: bool = True
    cleanup_volumes: bool = False
    exec_timeout: Seconds = 30.0
    """Seconds that a command in a container may take."""
