"""The responder: the only role that acts."""

from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.agents.responder.responder import Responder

__all__ = ["Responder", "ResponderDependencies"]
