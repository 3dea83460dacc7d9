"""Decides whether a user wanted a container to stop, from signals and the engine's own `stop` event.

A signal counts as a stop request for as long as the container takes to stop: the stop timeout for its own
stop signal, some seconds for any other. A container that is still alive after that has survived the signal.
`docker stop` ends with SIGKILL or with the death, and the engine sends `stop` right after it. That event
reveals a timeout that is longer than the container's own. Podman sends `stop`, and no `kill` before it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from hemostat.core.labels.definitions import read_stop_timeout
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.events import Action, Outcome

SIGTERM: Final = 15
SIGKILL: Final = 9
ENDING_SIGNALS: Final = frozenset({2, 3, SIGKILL, SIGTERM})
"""SIGINT, SIGQUIT, SIGKILL and SIGTERM: the signals that users send to end a container."""

DEFAULT_STOP_SECONDS: Final = 10.0
"""Seconds that `docker stop` waits for a container without a timeout of its own."""
ENDLESS_STOP_SECONDS: Final = 600.0
"""Seconds used for a stop timeout of -1, which means no timeout."""
SIGNAL_MARGIN_SECONDS: Final = 5.0
"""Seconds within which a signal that does not stop the container at once takes effect or is survived."""
ACTION_HOLD_SECONDS: Final = 90.0
"""Seconds after its stop signal in which a running container may be in a `docker stop -t`. No action may
begin in that time."""

SIGNAL_EXIT_CODES: Final = frozenset({130, 137, 143})
"""Exit codes of SIGINT, SIGKILL and SIGTERM, with which a container ends that was told to stop."""

UNHINTED_STOP_WAIT_SECONDS: Final = 0.05
HINTED_STOP_WAIT_SECONDS: Final = 1.5
"""Seconds within which `stop` follows a death: without a hint at a stop, and with one."""

CHECK_ACTION_SECONDS: Final = 20.0
"""Seconds beside the stop timeout that an engine gets for its own action on an unhealthy container."""
ENDING_CHECK_ACTIONS: Final = frozenset({"kill", "stop"})

SAME_MOMENT_SECONDS: Final = 0.01
"""Maximum difference in seconds between two records of the same moment."""


class StopRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request at `time` that a container stop. A death until `until` answers it (epoch seconds)."""

    time: float
    until: float
    hold: float = 0.0
    """Until when no action may begin on the container if it still runs (epoch seconds)."""
    ours: bool = False
    """Whether the request belongs to a restart by HemoStat itself."""


class PendingExit(msgspec.Struct, frozen=True, kw_only=True):
    """A death that cannot be judged before `due`: the engine may still report that it was a stop."""

    exit_code: int
    time: float
    due: float


def read_kill_event(event: EngineEvent, info: ContainerInfo | None) -> StopRequest | None:
    """Return the stop request that a `kill` event expresses; None for a signal with another purpose."""
    if is_stop_signal(event, info):
        wait = _get_stop_timeout(info) + SIGNAL_MARGIN_SECONDS
        return StopRequest(
            time=event.time, until=event.time + wait, hold=event.time + max(wait, ACTION_HOLD_SECONDS)
        )
    if event.signal in ENDING_SIGNALS:
        until = (
            event.time + SIGNAL_MARGIN_SECONDS + (DEFAULT_STOP_SECONDS if event.signal == SIGKILL else 0.0)
        )
        return StopRequest(time=event.time, until=until, hold=until)
    return None


def is_stop_signal(event: EngineEvent, info: ContainerInfo | None) -> bool:
    """Return whether the event has the signal by which `docker stop` asks this container to end."""
    return event.signal is None or event.signal == ((info and info.stop_signal) or SIGTERM)


def _get_stop_timeout(info: ContainerInfo | None) -> float:
    """Return the seconds that `docker stop` gives this container."""
    if info is None:
        return DEFAULT_STOP_SECONDS
    labelled = read_stop_timeout(info.ref.labels)
    seconds = info.stop_timeout if labelled is None else labelled
    if seconds is None:
        return DEFAULT_STOP_SECONDS
    return ENDLESS_STOP_SECONDS if seconds < 0 else min(seconds, ENDLESS_STOP_SECONDS)


def get_check_action_wait(info: ContainerInfo) -> float:
    """Return the seconds that the engine needs for its own action on an unhealthy container; 0 for no
    action."""
    if info.check is None or not info.check.on_failure:
        return 0.0
    return _get_stop_timeout(info) + CHECK_ACTION_SECONDS


def may_end_by_check(info: ContainerInfo) -> bool:
    """Return whether the engine ends this container when it becomes unhealthy, without a new start."""
    return info.check is not None and info.check.on_failure in ENDING_CHECK_ACTIONS


def is_ended_by_check(info: ContainerInfo) -> bool:
    """Return whether the engine ended the container, as inspected, because it had become unhealthy. That
    follows the last health check at once."""
    if info.check is None or not may_end_by_check(info) or info.is_running or info.health != "unhealthy":
        return False
    return 0 <= info.finished_at - info.checked_at <= info.check.timeout + get_check_action_wait(info)


def read_stop_event(event: EngineEvent) -> StopRequest:
    """Return the stop request that the engine's own `stop` event proves, before or after the death."""
    return StopRequest(time=event.time, until=event.time + SIGNAL_MARGIN_SECONDS)


def is_requested_death(stop: StopRequest | None, died_at: float) -> bool:
    """Return whether a death at `died_at` answers this request."""
    return stop is not None and not stop.ours and died_at <= stop.until


def is_stopping(stop: StopRequest | None, now: float) -> bool:
    """Return whether a running container is being stopped."""
    return stop is not None and stop.time <= now <= stop.until


def get_stop_wait(stop: StopRequest | None, exit_code: int, *, podman: bool, kills: bool) -> float:
    """Return the seconds to wait for a `stop` event before this death is judged. `podman`: the engine sends
    `stop` without a `kill`. `kills`: the engine is known to report kills."""
    if podman or stop is not None:
        return HINTED_STOP_WAIT_SECONDS
    return 0.0 if kills or exit_code not in SIGNAL_EXIT_CODES else UNHINTED_STOP_WAIT_SECONDS


def find_own_restart(info: ContainerInfo, attempts: Sequence[Attempt], now: float) -> Attempt | None:
    """Return the restart by HemoStat that this same process ended with, or is ending with. After a completed
    restart the container has another process."""
    for attempt in reversed(attempts):
        if (
            attempt.action is not Action.RESTART
            or abs(attempt.started_at - info.started_at) > SAME_MOMENT_SECONDS
        ):
            continue
        if attempt.outcome is None:
            return attempt if not info.is_running or is_leased(attempt, now) else None
        failed = attempt.outcome is Outcome.FAILED and not info.is_running
        is_end_in_attempt = (
            attempt.time - SAME_MOMENT_SECONDS
            <= info.finished_at
            <= (attempt.finished or now) + SAME_MOMENT_SECONDS
        )
        return attempt if failed and is_end_in_attempt else None
    return None


def is_under_way(attempt: Attempt, now: float) -> bool:
    """Return whether a responder is still working on the attempt."""
    return attempt.outcome is None and is_leased(attempt, now)
