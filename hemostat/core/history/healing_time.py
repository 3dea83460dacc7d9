"""The time that a remediation took, without the time until a person approved it. Pure.

Sentences, notifications, reports and screens all use it: how fast HemoStat heals and how fast people answer
are two questions.
"""

from hemostat.core.units import show_duration
from hemostat.events import RemediationComplete


def measure_remediation(completion: RemediationComplete) -> float | None:
    """Seconds from the request to the outcome without the wait for approval; None if unknown."""
    total = completion.durations.get("total")
    return None if total is None else max(0.0, total - measure_approval(completion))


def measure_approval(completion: RemediationComplete) -> float:
    """Seconds until a person answered; 0 without a request for approval and in events of earlier versions."""
    return max(0.0, completion.durations.get("approval", 0.0))


def format_with_approval(took: float, approval: float) -> str:
    """`3.1 s, after 4 min of waiting for approval`."""
    return show_duration(took) + (
        f", after {show_duration(approval)} of waiting for approval" if approval else ""
    )
