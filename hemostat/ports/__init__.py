"""What the roles ask of the world. Adapters fulfil these; the fakes in memory pass the same tests.

Every method may raise AdapterError (EngineError, BusError …); `transient` says whether to wait and repeat.
"""

from hemostat.ports.bus import Bus, Entry, Later
from hemostat.ports.clock import Clock, Interrupted
from hemostat.ports.engine import ContainerSpec, Engine, EngineVersion, Sampler, Surroundings, Workshop
from hemostat.ports.memory import Desk, Dossiers, Ledger, Notifier, Store

__all__ = [
    "Bus",
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
    "Sampler",
    "Store",
    "Surroundings",
    "Workshop",
]
