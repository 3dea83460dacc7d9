"""The composition root: turns settings into a running role. Only this package imports both agents and
adapters.

Vendor libraries are imported where needed, so that no role loads what it does not use.
"""

from hemostat.app.backends import (
    Backends,
    RealBackends,
    SimulatedBackends,
    UnknownHost,
    check_state_directory,
    find_obstacle,
    make_host_probe,
    stop_embedded_redis,
)
from hemostat.app.connections import (
    has_stored_data,
    is_redis_started,
    make_shell,
    open_audit_anchor,
    open_bus,
    open_eval_capture,
    open_event_store,
    open_evidence_store,
    open_operator,
    open_redis,
)
from hemostat.app.engines import (
    EnginePool,
    check_engine_addresses,
    make_engine_address,
    open_engine,
    select_host,
)
from hemostat.app.llm import make_advisor, open_eval_run
from hemostat.app.metrics import run_metrics
from hemostat.app.notifications import find_webhook_doubts, make_notifier, open_notifiers
from hemostat.app.role_context import RoleContext
from hemostat.app.role_modules import import_role_modules
from hemostat.app.roles import run_role

__all__ = [
    "Backends",
    "EnginePool",
    "RealBackends",
    "RoleContext",
    "SimulatedBackends",
    "UnknownHost",
    "check_engine_addresses",
    "check_state_directory",
    "find_obstacle",
    "find_webhook_doubts",
    "has_stored_data",
    "import_role_modules",
    "is_redis_started",
    "make_advisor",
    "make_engine_address",
    "make_host_probe",
    "make_notifier",
    "make_shell",
    "open_audit_anchor",
    "open_bus",
    "open_engine",
    "open_eval_capture",
    "open_eval_run",
    "open_event_store",
    "open_evidence_store",
    "open_notifiers",
    "open_operator",
    "open_redis",
    "run_metrics",
    "run_role",
    "select_host",
    "stop_embedded_redis",
]
