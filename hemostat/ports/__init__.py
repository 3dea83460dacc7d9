"""What the roles ask of the world. Adapters fulfil these; the fakes in memory pass the same tests.

Every method may raise AdapterError (EngineError, BusError …); `transient` says whether to wait and repeat.
"""

from hemostat.core.llm.tool import Tool
from hemostat.ports.advisor import Advisor, Call, Result, Said, Turn, Usage
from hemostat.ports.bus import Apart, Bus, Due, Entry, Later, Listener
from hemostat.ports.clock import Clock, Interrupted
from hemostat.ports.engine import ContainerSpec, Engine, EngineVersion, Sampler, Surroundings, Workshop
from hemostat.ports.evidence_source import Witness
from hemostat.ports.stores import (
    Casebook,
    Desk,
    Dossiers,
    Heart,
    Ledger,
    Notary,
    Notifier,
    Outbox,
    Purse,
    Records,
    Store,
)

__all__ = [
    "Advisor",
    "Apart",
    "Bus",
    "Call",
    "Casebook",
    "Clock",
    "ContainerSpec",
    "Desk",
    "Dossiers",
    "Due",
    "Engine",
    "EngineVersion",
    "Entry",
    "Heart",
    "Interrupted",
    "Later",
    "Ledger",
    "Listener",
    "Notary",
    "Notifier",
    "Outbox",
    "Purse",
    "Records",
    "Result",
    "Said",
    "Sampler",
    "Store",
    "Surroundings",
    "Tool",
    "Turn",
    "Usage",
    "Witness",
    "Workshop",
]
