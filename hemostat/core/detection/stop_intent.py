"""Whether somebody wanted a container to stop: what signals and the engine's own `stop` event say.

A signal is a wish for as long as the container takes to stop: its stop timeout for its own stop signal, some
seconds for any other. A container that is still alive after that has survived the signal. `docker stop` ends
with SIGKILL or with the death, and the engine says `stop` right after it: that tells a timeout that is longer
than the container's own. Podman says `stop`, and no `kill` before it.
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
"""SIGINT, SIGQUIT, SIGKILL, SIGTERM: what people send to end a container."""

DEFAULT_STOP_SECONDS: Final = 10.0
"""Seconds that `docker stop` waits for a container that does not say."""
ENDLESS_STOP_SECONDS: Final = 600.0
"""Seconds that stand for a stop timeout of -1, which is none."""
SIGNAL_MARGIN_SECONDS: Final = 5.0
"""Seconds within which a signal that does not stop the container at once is answered or survived."""
ACTION_HOLD_SECONDS: Final = 90.0
"""Seconds after its stop signal in which a container that still runs may be in a `docker stop -t`, so that no
action may begin."""

SIGNAL_EXIT_CODES: Final = frozenset({130, 137, 143})
"""Exit codes of SIGINT, SIGKILL and SIGTERM: how a container ends that is told to stop."""

UNHINTED_STOP_WAIT_SECONDS: Final = 0.05
HINTED_STOP_WAIT_SECONDS: Final = 1.5
"""Seconds within which `stop` follows a death: where nothing hints at a stop, and where something does."""

SAME_MOMENT_SECONDS: Final = 0.01
"""Seconds by which two records of one moment may differ."""


class StopRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wish that a container stop, made at `time`. A death until `until` is the answer (epoch seconds)."""

    time: float
    until: float
    hold: float = 0.0
    """Until when no action may begin on the container if it still runs (epoch seconds)."""
    ours: bool = False
    """Whether it belongs to a restart by HemoStat itself."""


class PendingExit(msgspec.Struct, frozen=True, kw_only=True):
    """A death that cannot be judged before `due`: the engine may still say that it stopped the container."""

    exit_code: int
    time: float
    due: float


def read_kill_event(event: EngineEvent, info: ContainerInfo | None) -> StopRequest | None:
    """The wish that a `kill` event expresses; None for a signal that is sent for another purpose."""
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
    """Whether it is the signal by which `docker stop` asks this container to end."""
    return event.signal is None or event.signal == ((info and info.stop_signal) or SIGTERM)


def _get_stop_timeout(info: ContainerInfo | None) -> float:
    """Seconds that `docker stop` gives this container."""
    if info is None:
        return DEFAULT_STOP_SECONDS
    labelled = read_stop_timeout(info.ref.labels)
    seconds = info.stop_timeout if labelled is None else labelled
    if seconds is None:
        return DEFAULT_STOP_SECONDS
    return ENDLESS_STOP_SECONDS if seconds < 0 else min(seconds, ENDLESS_STOP_SECONDS)


def read_stop_event(event: EngineEvent) -> StopRequest:
    """The wish that the engine's own `stop` event proves, whether it comes before or after the death."""
    return StopRequest(time=event.time, until=event.time + SIGNAL_MARGIN_SECONDS)


def is_requested_death(stop: StopRequest | None, died_at: float) -> bool:
    """Whether a death at `died_at` is the answer to this wish."""
    return stop is not None and not stop.ours and died_at <= stop.until


def is_stopping(stop: StopRequest | None, now: float) -> bool:
    """Whether a container that still runs is being stopped."""
    return stop is not None and stop.time <= now <= stop.until


def get_stop_wait(stop: StopRequest | None, exit_code: int, *, podman: bool, kills: bool) -> float:
    """Seconds to wait for a `stop` before this death is judged. `podman`: the engine says `stop` without a
    `kill`; `kills`: the engine is known to tell of kills."""
    if podman or stop is not None:
        return HINTED_STOP_WAIT_SECONDS
    return 0.0 if kills or exit_code not in SIGNAL_EXIT_CODES else UNHINTED_STOP_WAIT_SECONDS


def find_own_restart(info: ContainerInfo, attempts: Sequence[Attempt], now: float) -> Attempt | None:
    """The restart by HemoStat that this very process ended with, or is ending with. A restart that has been
    carried out has another process."""
    for attempt in reversed(attempts):
        if (
            attempt.action is not Action.RESTART
            or abs(attempt.started_at - info.started_at) > SAME_MOMENT_SECONDS
        ):
            continue
        if attempt.outcome is None:
            return attempt if not info.running or is_leased(attempt, now) else None
        failed = attempt.outcome is Outcome.FAILED and not info.running
        ended = (
            attempt.time - SAME_MOMENT_SECONDS
            <= info.finished_at
            <= (attempt.finished or now) + SAME_MOMENT_SECONDS
        )
        return attempt if failed and ended else None
    return None


def is_under_way(attempt: Attempt, now: float) -> bool:
    """Whether a responder is still at work on it."""
    return attempt.outcome is None and is_leased(attempt, now)
