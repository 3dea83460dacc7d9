"""The monitor: turns events of the engine and samples into alerts."""

from hemostat.agents.monitor.last_stats import REFRESH_SECONDS
from hemostat.agents.monitor.lister import Lister
from hemostat.agents.monitor.monitor import Monitor

__all__ = ["REFRESH_SECONDS", "Lister", "Monitor"]
