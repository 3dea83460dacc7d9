"""The analyzer role: what an alert means, by rules, by what came of it before, and by a model."""

from hemostat.agents.analyzer.analyzer import Analyzer
from hemostat.agents.analyzer.consultant import Consultant, Terms
from hemostat.agents.analyzer.witness import LiveWitness, RecordedWitness

__all__ = ["Analyzer", "Consultant", "LiveWitness", "RecordedWitness", "Terms"]
