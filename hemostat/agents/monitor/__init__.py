"""The monitor: what the engine says and the samplers measure, turned into alerts."""

from hemostat.agents.monitor.monitor import REFRESH, Memo, Monitor

__all__ = ["REFRESH", "Memo", "Monitor"]
