"""The alert role's second half: every event goes into the database, and its audit trail is watched."""

from hemostat.agents.recorder.audit_watch import AuditWatch, look_at
from hemostat.agents.recorder.recorder import SWEEP, Recorder

__all__ = ["SWEEP", "AuditWatch", "Recorder", "look_at"]
