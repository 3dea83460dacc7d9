"""The interfaces that roles use. Adapters implement them, and the in-memory fakes pass the same tests.

Every method may raise AdapterError (EngineError, BusError …); `transient` says whether to wait and repeat.
"""

from hemostat.core.llm.tool import Tool
from hemostat.ports.advisor import Advisor, ModelTurn, ToolCallRequest, ToolResult, Turn, Usage
from hemostat.ports.bus import Bus, Defer, DueEntries, Entry, Listener, RunInBackground
from hemostat.ports.clock import Clock, Interrupted
from hemostat.ports.engine import (
    ContainerShell,
    ContainerSpec,
    Engine,
    EngineReader,
    EngineVersion,
    HostProbe,
    LogStream,
    Sampler,
    TestContainers,
)
from hemostat.ports.evidence_source import EvidenceSource
from hemostat.ports.stores import (
    AuditAnchor,
    ControlStore,
    EventStore,
    EvidenceStore,
    HealthPing,
    Ledger,
    LlmBudget,
    Notifier,
    Outbox,
    PrecedentStore,
    RecentEvents,
)

__all__ = [
    "Advisor",
    "AuditAnchor",
    "Bus",
    "Clock",
    "ContainerShell",
    "ContainerSpec",
    "ControlStore",
    "Defer",
    "DueEntries",
    "Engine",
    "EngineReader",
    "EngineVersion",
    "Entry",
    "EventStore",
    "EvidenceSource",
    "EvidenceStore",
    "HealthPing",
    "HostProbe",
    "Interrupted",
    "Ledger",
    "Listener",
    "LlmBudget",
    "LogStream",
    "ModelTurn",
    "Notifier",
    "Outbox",
    "PrecedentStore",
    "RecentEvents",
    "RunInBackground",
    "Sampler",
    "TestContainers",
    "Tool",
    "ToolCallRequest",
    "ToolResult",
    "Turn",
    "Usage",
]
