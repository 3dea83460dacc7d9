"""Keeps the monitor's loops running after any error: each failure is reported until it is over."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from hemostat.agents.monitor.container_errors import describe_error
from hemostat.errors import BusError

LIST_ACTIVITY: Final = "watching the listed containers"

T = TypeVar("T")
logger = logging.getLogger(__name__)


class LoopErrors:
    """The errors of loops, by activity. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def attempt(self, activity: str, call: Callable[[], T]) -> T | None:
        """Return the call's result; None where it raised, which is recorded. Raises a BusError, which ends
        the role."""
        try:
            result = call()
        except BusError:
            raise
        except Exception as error:
            reason = describe_error(error)
            if self._reasons.get(activity) != reason:
                logger.exception("monitor.failed activity=%s", activity)
            self._reasons[activity] = reason
            return None
        self._reasons.pop(activity, None)
        return result

    @property
    def trouble(self) -> str:
        """Return why no container is watched, empty if containers are watched."""
        reason = self._reasons.get(LIST_ACTIVITY)
        return f"no container is watched: {reason}" if reason else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        reasons = dict(self._reasons)
        return tuple(
            f"{activity} fails: {why}; details are in the log"
            for activity, why in reasons.items()
            if activity != LIST_ACTIVITY
        )
