"""What an action under way waits for, between the decision and its outcome.

Computed from the attempt in the ledger and the container's last known state, so that no role publishes more.
"""

from typing import Final

from hemostat.core.history.incident_log import IncidentLog
from hemostat.core.history.timeline import IncidentTimeline
from hemostat.core.ledger.rows import Attempt
from hemostat.core.remediation.limit_status import HostLimitStatus
from hemostat.core.units import show_duration
from hemostat.core.wording import ACTION_WORDS
from hemostat.events import Action, State

STARTING_ACTIONS: Final = frozenset({Action.RESTART, Action.START})


def find_progress(
    incident: IncidentLog | IncidentTimeline, limits: HostLimitStatus | None, state: State | None
) -> str:
    """What the action under way against this incident waits for; empty without an action."""
    if limits is None or incident.status != "acting":
        return ""
    attempt = limits.get_container_status(incident.container.name).attempt
    if attempt is None or not attempt.key.startswith(f"{incident.incident}:"):
        return ""
    return describe_progress(attempt, state)


def describe_progress(attempt: Attempt, state: State | None) -> str:
    """`restarting: stopping it, up to 10 s`, `restarted: its health check is awaited, up to 30 s`. `state` is
    the container's last known state."""
    words = ACTION_WORDS[attempt.action]
    if attempt.action in STARTING_ACTIONS and state is not None and state.started_at > attempt.started_at:
        bound = _show_bound(attempt.verify_seconds)
        if state.health == "healthy" or state.health is None:
            return f"{words.past}: HemoStat checks that it stays well{bound}"
        return f"{words.past}: its health check is awaited{bound}"
    doing = words.doing.removesuffix(" it")
    if attempt.stop_seconds and attempt.action is Action.STOP:
        return f"{doing} it{_show_bound(attempt.stop_seconds)}"
    if attempt.stop_seconds and attempt.action is Action.RESTART:
        return f"{doing}: stopping it{_show_bound(attempt.stop_seconds)}"
    return words.doing


def _show_bound(seconds: float) -> str:
    return f", up to {show_duration(seconds)}" if seconds else ""
