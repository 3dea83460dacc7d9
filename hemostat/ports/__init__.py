"""What the roles ask of the world. Adapters fulfil these; the fakes in memory pass the same tests.

Every method may raise AdapterError (EngineError, BusError …); `transient` says whether to wait and repeat.
"""

from hemostat.ports.advisor import Advisor, Call, Result, Said, Tool, Turn, Usage
from hemostat.ports.bus import Apart, Bus, Entry, Later
from hemostat.ports.clock import Clock, Interrupted
from hemostat.ports.engine import ContainerSpec, Engine, EngineVersion, Sampler, Surroundings, Workshop
from hemostat.ports.memory import Desk, Dossiers, Ledger, Notifier, Store

__all__ = [
    "Advisor",
    "Apart",
    "Bus",
    "Call",
    "Clock",
    "ContainerSpec",
    "Desk",
    "Dossiers",
    "Engine",
    "EngineVersion",
    "Entry",
    "Interrupted",
    "Later",
    "Ledger",
    "Notifier",
    "Result",
    "Said",
    "Sampler",
    "Store",
    "Surroundings",
    "Tool",
    "Turn",
    "Usage",
    "Workshop",
]
