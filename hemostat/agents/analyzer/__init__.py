"""The analyzer role: diagnoses alerts by rules, by precedents and by a language model."""

from hemostat.agents.analyzer.analyzer import Analyzer
from hemostat.agents.analyzer.evidence_source import LiveEvidenceSource, RecordedEvidenceSource
from hemostat.agents.analyzer.llm_advisor import AdvisorTerms, LlmAdvisor

__all__ = ["AdvisorTerms", "Analyzer", "LiveEvidenceSource", "LlmAdvisor", "RecordedEvidenceSource"]
