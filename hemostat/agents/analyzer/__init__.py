"""The analyzer role: what an alert means, by rules, by what came of it before, and by a model."""

from hemostat.agents.analyzer.analyzer import Analyzer
from hemostat.agents.analyzer.evidence_source import LiveEvidenceSource, RecordedEvidenceSource
from hemostat.agents.analyzer.llm_advisor import AdvisorTerms, LlmAdvisor

__all__ = ["AdvisorTerms", "Analyzer", "LiveEvidenceSource", "LlmAdvisor", "RecordedEvidenceSource"]
