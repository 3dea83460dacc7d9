"""The alert role's second half: every event goes into the database, and its audit trail is watched."""

from hemostat.agents.store_writer.audit_watch import AuditWatch, observe_trail
from hemostat.agents.store_writer.store_writer import SWEEP_SECONDS, StoreWriter

__all__ = ["SWEEP_SECONDS", "AuditWatch", "StoreWriter", "observe_trail"]
