"""The collaborators and settings of a responder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hemostat.agents.responder.verifier import Probe
from hemostat.background import run_in_background
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.events import Container
from hemostat.ports import Clock, ControlStore, Engine, EvidenceStore, Ledger, Sampler


@dataclass(frozen=True, kw_only=True)
class ResponderDependencies:
    engine: Engine
    sampler: Sampler
    ledger: Ledger
    control_store: ControlStore
    evidence_store: EvidenceStore
    clock: Clock
    limits: ResponderSettings
    host: str
    source: str
    """Role and instance, as in events."""
    host_memory: int
    """Memory of the host in bytes."""
    trust: TrustSettings = TRUST_OWN
    read_metrics: Callable[[Container], Sequence[MetricPoint]] | None = None
    """Returns a container's latest measurements, for the evidence."""
    probe: Probe | None = None
    """Without a probe, an alert about a failed probe cannot be verified."""
    run_in_background: Callable[[Callable[[], None], str], object] = run_in_background
    """Runs work in another thread, given the name of that thread."""
    find_missing_path: Callable[[ContainerInfo], str] | None = None
    """Returns which of a container's paths on the engine's host does not exist; empty for none or where that
    is unknown."""
