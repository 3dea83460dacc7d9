"""The second half of the alert role: writes every event into the database and watches the audit trail."""

from hemostat.agents.store_writer.audit_watch import AuditWatch, observe_trail
from hemostat.agents.store_writer.store_writer import SWEEP_SECONDS, StoreWriter

__all__ = ["SWEEP_SECONDS", "AuditWatch", "StoreWriter", "observe_trail"]
