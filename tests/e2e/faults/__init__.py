"""Delivery under faults, against real processes: `python -m tests.e2e.faults`."""

from collections.abc import Callable
from typing import Final

from tests.e2e.faults import hazards, rows
from tests.e2e.faults.account import Row
from tests.e2e.faults.rows import FULL, SHORT, Size

__all__ = ["FAULTS", "FULL", "SHORT", "Row", "Size"]

FAULTS: Final[dict[str, Callable[[Size], Row]]] = {
    "roles": rows.killed_roles,
    "redis-killed": rows.killed_redis,
    "redis-frozen": rows.frozen_redis,
    "engine-cut": rows.cut_engine,
    "engine-frozen": rows.frozen_engine,
    "network-cut": rows.cut_network,
    "network-frozen": rows.frozen_network,
    "responders": rows.ten_responders,
    "budget": rows.spent_budget,
    "paused": rows.paused,
    "hostile": hazards.hostile_messages,
    "disk": hazards.full_disk,
    "engine-restarted": hazards.restarted_engine,
    "clock": hazards.clock_set_back,
}
