"""Recognizes the stops that a person requests of Podman, which sends no `kill` before a stop.

Podman marks a container before it stops it, and answers about a container that it restarts only after the
start. Podman before 4.7 does not show the mark."""

from collections.abc import Callable
from typing import Final

import msgspec

from hemostat.core.backoff import compute_backoff
from hemostat.core.detection import stop_intent
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineTimeoutError

CLEANUP_WAIT_SECONDS: Final = 3.0
"""Seconds within which the second clean-up follows a requested stop. Measured: 0 to 0.3 s."""
MAX_TRIES: Final = 4
"""How often Podman is asked again about the mark of a container. After that no stop was requested, as far as
known."""
MAX_HOLD_SECONDS: Final = 24.0


def is_restarted_by_policy(before: ContainerInfo, latest: ContainerInfo) -> bool:
    """Return whether Podman's restart policy has started another process. A person's restart is not
    counted."""
    return latest.started_at > before.started_at and latest.restart_count > before.restart_count


class PodmanStops:
    """`read_mark` returns Podman's mark of a container at a time (epoch seconds), None where Podman does not
    show it. It raises EngineTimeoutError where Podman does not answer about this container: its exit is held
    and Podman asked again, MAX_TRIES times, because only this container may wait for the answer."""

    def __init__(self, registry: ContainerRegistry, read_mark: Callable[[str, float], bool | None]) -> None:
        self._registry = registry
        self._read_mark = read_mark
        self._cleanups: dict[str, int] = {}
        """Clean-ups since the last exit, by container, where Podman does not show marks."""
        self._signal_times: dict[str, float] = {}
        """When each container was last sent a signal (epoch seconds)."""
        self._tries: dict[str, int] = {}
        """How often Podman has not answered about the mark of a container since its last exit."""

    def note_signal(self, container_id: str, time: float) -> None:
        self._signal_times[container_id] = time

    def is_unrequested(self, container_id: str, now: float) -> bool:
        """Return whether a held exit is known not to be requested. Where Podman does not show the mark, the
        exit is held for CLEANUP_WAIT_SECONDS."""
        try:
            is_marked = self._read_mark(container_id, now)
        except EngineTimeoutError:
            is_marked = None
        if is_marked is None:
            self._cleanups[container_id] = 0
            self._hold(container_id, self._registry.pending_exits[container_id], now + CLEANUP_WAIT_SECONDS)
        return is_marked is False

    def _hold(self, container_id: str, death: stop_intent.PendingExit, due: float) -> None:
        self._registry.pending_exits[container_id] = msgspec.structs.replace(death, due=due)

    def is_stop(self, container_id: str) -> bool:
        """Count a clean-up of Podman, and return whether it shows that the held exit was requested. The end
        of every process causes one. A requested stop causes another."""
        count = self._cleanups.get(container_id)
        if count is None or container_id not in self._registry.pending_exits:
            return False
        self._cleanups[container_id] = count + 1
        return count > 0

    def says_stopped(
        self, container: WatchedContainer, death: stop_intent.PendingExit, now: float
    ) -> bool | None:
        """Return whether Podman reports a requested stop; None where the exit is held until Podman answers.
        Podman sets its mark for the whole run after any signal: after a signal that the container has
        survived, only an exit by a signal counts as a stop."""
        container_id = container.ref.id
        was_signalled = self._signal_times.get(container_id, 0.0) >= container.info.started_at
        if was_signalled and death.exit_code not in stop_intent.SIGNAL_EXIT_CODES:
            return False
        try:
            return bool(self._read_mark(container_id, now))
        except EngineTimeoutError:
            tries = self._tries[container_id] = self._tries.get(container_id, 0) + 1
            if tries > MAX_TRIES:
                return False
            self._hold(
                container_id, death, now + compute_backoff(tries, CLEANUP_WAIT_SECONDS, MAX_HOLD_SECONDS)
            )
            return None

    def forget(self, container_id: str) -> None:
        """Forget a container that has started or is gone."""
        for records in (self._cleanups, self._signal_times, self._tries):
            records.pop(container_id, None)
