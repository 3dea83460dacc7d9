"""The alert role's second half: every event goes into the database, and its audit trail is watched."""

from hemostat.agents.store_writer.audit_watch import AuditWatch, look_at
from hemostat.agents.store_writer.store_writer import SWEEP, StoreWriter

__all__ = ["SWEEP", "AuditWatch", "StoreWriter", "look_at"]
