"""The composition root: settings in, a running role out. The only importer of agents and adapters together.

Vendors are imported where they are needed, so that no role carries what it does not use.
"""

from hemostat.app.backends import (
    Backends,
    RealBackends,
    SimulatedBackends,
    UnknownHost,
    check_state_directory,
    surroundings_of,
    turn_off,
)
from hemostat.app.connections import (
    open_archive,
    open_bus,
    open_dossiers,
    open_engine,
    open_notary,
    open_orders,
    open_records,
    open_redis,
)
from hemostat.app.llm import advisor, open_trial
from hemostat.app.metrics import run_metrics
from hemostat.app.notifications import doubts, open_notifiers
from hemostat.app.roles import RoleContext, run_role

__all__ = [
    "Backends",
    "RealBackends",
    "RoleContext",
    "SimulatedBackends",
    "UnknownHost",
    "advisor",
    "check_state_directory",
    "doubts",
    "open_archive",
    "open_bus",
    "open_dossiers",
    "open_engine",
    "open_notary",
    "open_notifiers",
    "open_orders",
    "open_records",
    "open_redis",
    "open_trial",
    "run_metrics",
    "run_role",
    "surroundings_of",
    "turn_off",
]
