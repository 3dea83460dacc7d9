"""The analyzer role: what an alert means, by rules, by what came of it before, and by a model."""

from hemostat.agents.analyzer.analyzer import Analyzer
from hemostat.agents.analyzer.evidence_source import LiveWitness, RecordedWitness
from hemostat.agents.analyzer.llm_advisor import Consultant, Terms

__all__ = ["Analyzer", "Consultant", "LiveWitness", "RecordedWitness", "Terms"]
