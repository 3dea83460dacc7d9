"""Handles exits, stops and starts of containers, by inspections and the ledger.

Their meaning is defined in core.detection.deaths, core.detection.stop_intent and
core.detection.restart_owner. The ledger is read to find out which stops belong to a restart by HemoStat, only
where a stop was seen or a container was found dead: a crash never waits for the ledger.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.podman_stops import PodmanStops, is_restarted_by_policy
from hemostat.core.detection import deaths, exits, on_event, restart_owner, stop_intent
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.ledger.rows import Attempt, ManualStop
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.errors import EngineError
from hemostat.ports import Ledger

OOM_CHECK_SECONDS: Final = 6.0
"""Seconds after an OOM kill within which the engine reports the exit of the main process, if it was the one
killed. Measured: 5 on a slow host. No action follows if another one was killed, so that a late alert does no
harm."""

SHUTDOWN_SECONDS: Final = 30.0
"""Seconds that an engine takes to stop its containers when it shuts down."""

InspectContainer = Callable[[str, float], WatchedContainer | None]


class DeathWatch:
    """Handles exits, stops and starts of containers. `read_mark` asks the engine whether a container was
    stopped on request, where the engine records that (PodmanStops). `look` inspects a container,
    `look_upstream` its dependencies. `count_hung` returns how many inspections have hung. Without a `ledger`
    every stop counts as a person's."""

    def __init__(
        self,
        registry: ContainerRegistry,
        ledger: Ledger | None,
        faults: ContainerErrors,
        *,
        host: str,
        read_mark: Callable[[str, float], bool | None],
        look: InspectContainer,
        look_upstream: Callable[[str, float], None],
        count_hung: Callable[[], int] = int,
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._errors = faults
        self._host = host
        self._look = look
        self._podman = PodmanStops(registry, read_mark)
        self._look_upstream = look_upstream
        self._count_hung = count_hung
        self._next_looks: dict[str, float] = {}
        """When a container that is to be started again is inspected next (epoch seconds)."""
        self._check_ends: dict[str, float] = {}
        """When to judge whether the engine has ended a container because it was unhealthy (epoch seconds)."""
        self._oom_checks: dict[str, float] = {}
        """When to judge whether a container has survived an OOM kill of one of its processes (epoch
        seconds)."""
        self._own_signals: dict[str, tuple[str, int]] = {}
        """By container: the key of its current restart by HemoStat, and the stop signals seen during it."""
        self._overridden_stops: dict[str, tuple[str, float]] = {}
        """Names of containers that a person seems to have stopped during a restart by HemoStat, and when
        (epoch seconds)."""

    def find_next_due(self) -> float | None:
        """Return when the next held exit is to be judged (epoch seconds); None without held exits."""
        due = (death.due for death in self._registry.pending_exits.values())
        return min((*due, *self._check_ends.values()), default=None)

    def handle_oom(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        """Record an OOM event. It precedes the exit, if there is one."""
        self._registry.ooms[event.container.id] = event.time
        self.note_oom(event.container.id, now)
        return []

    def note_oom(self, container_id: str, now: float) -> None:
        """Record an OOM kill, seen by the engine or a counter. Whether the main process was killed shows
        after OOM_CHECK_SECONDS."""
        self._oom_checks.setdefault(container_id, now + OOM_CHECK_SECONDS)

    def judge_ooms(self, now: float) -> list[IncidentAlert]:
        """Return the alerts for OOM kills that the container has survived."""
        due = [identity for identity, at in self._oom_checks.items() if now >= at]
        alerts: list[IncidentAlert] = []
        for identity in due:
            killed_at = self._oom_checks.pop(identity) - OOM_CHECK_SECONDS
            if (container := self._registry.get(identity)) is not None:
                judge = partial(deaths.report_survived_oom, self._registry, container, killed_at, now)
                alerts += self._attempt(identity, "evaluate the exit of", judge)
        return alerts

    def _apply_end(self, event: EngineEvent, now: float) -> WatchedContainer | None:
        """Return the container with its exit applied to the known state. The engine is asked only where
        necessary: while it cleans up after the process, it delays an inspection."""
        container = self._registry.get(event.container.id)
        if container is None or not container.info.is_running or event.exit_code is None:
            return self._look(event.container.id, now)
        if container.info.started_at >= event.time:
            return self._look(event.container.id, now)
        wish = self._registry.stops.get(event.container.id)
        restarts = restart_owner.is_restarted_by_docker(
            container.info, event.exit_code
        ) and not stop_intent.is_requested_death(wish, event.time)
        status = "restarting" if restarts else "exited"
        changes = {"status": status, "exit_code": event.exit_code, "finished_at": event.time, "pid": 0}
        return self._registry.upsert(msgspec.structs.replace(container.info, **changes), now)

    def handle_death(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        self._registry.is_podman = self._registry.is_podman or event.podman
        container = self._apply_end(event, now)
        if container is None:
            return []
        self._look_upstream(container.ref.id, now)
        if stop_intent.may_end_by_check(container.info):
            self._check_ends[container.ref.id] = now + stop_intent.HINTED_STOP_WAIT_SECONDS
        alerts = deaths.handle_death(self._registry, container, event, now)
        is_held = self._registry.is_podman and container.ref.id in self._registry.pending_exits
        if is_held and self._podman.is_unrequested(container.ref.id, now):
            alerts += self._judge_unrequested_exit(container, now)
        return self._await_restart(container, event, alerts, now)

    def _judge_unrequested_exit(self, container: WatchedContainer, now: float) -> list[IncidentAlert]:
        """The exit stays held where the engine does not answer about the container now."""
        latest = self._look(container.ref.id, now)
        if latest is None:
            return []
        death = self._registry.pending_exits.pop(container.ref.id)
        if is_restarted_by_policy(container.info, latest.info):
            return deaths.handle_unwanted_death(self._registry, container, death.exit_code, death.time, now)
        return [] if latest.info.is_running else self._judge_exit(latest, death, now)

    def handle_cleanup(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        """Handle Podman's clean-up after an exit."""
        return self.handle_stop(event, now) if self._podman.is_stop(event.container.id) else []

    def _await_restart(
        self, container: WatchedContainer, event: EngineEvent, alerts: list[IncidentAlert], now: float
    ) -> list[IncidentAlert]:
        """Schedule an inspection of a container that Docker restarts, after the time that Docker needs."""
        if container.info.status == "restarting":
            code = container.info.exit_code
            self._registry.awaited_restarts[container.ref.id] = stop_intent.PendingExit(
                exit_code=code, time=event.time, due=now
            )
            self._next_looks[container.ref.id] = now + restart_owner.FIRST_LOOK_SECONDS
        return alerts

    def judge_held(self, now: float) -> list[IncidentAlert]:
        """Return the alerts for held exits that the engine has not reported as requested by now."""
        alerts: list[IncidentAlert] = []
        for identity, death in list(self._registry.pending_exits.items()):
            if now < death.due:
                continue
            judge = partial(self._judge_held_exit, identity, death, now)
            alerts += self._attempt(identity, "evaluate the exit of", judge)
            if self._registry.pending_exits.get(identity) is death:  # not held again
                del self._registry.pending_exits[identity]
        for identity in [each for each, due in self._check_ends.items() if now >= due]:
            del self._check_ends[identity]
            judge = partial(self._judge_check_end, identity, now)
            alerts += self._attempt(identity, "evaluate the exit of", judge)
        return alerts

    def _judge_check_end(self, container_id: str, now: float) -> list[IncidentAlert]:
        container = self._look(container_id, now)
        if container is None or not stop_intent.is_ended_by_check(container.info):
            return []
        return deaths.report_check_end(self._registry, container, now)

    def _attempt(
        self, container_id: str, doing: str, call: Callable[[], list[IncidentAlert]]
    ) -> list[IncidentAlert]:
        container = self._registry.get(container_id)
        name = container_id[:12] if container is None else container.ref.name
        return self._errors.attempt(container_id, name, doing, call) or []

    def _judge_held_exit(
        self, container_id: str, death: stop_intent.PendingExit, now: float
    ) -> list[IncidentAlert]:
        latest = self._look(container_id, now) if self._registry.is_podman else None
        # Without an answer of the engine, what its events have told is known. A removal is an event, too.
        container = latest or self._registry.get(container_id)
        if container is None or container.info.is_running:
            return []
        return self._judge_exit(container, death, now)

    def _judge_exit(
        self, container: WatchedContainer, death: stop_intent.PendingExit, now: float
    ) -> list[IncidentAlert]:
        if stop_intent.is_requested_death(self._registry.stops.get(container.ref.id), death.time):
            return []
        if self._registry.is_podman and self._find_own_restart(container.info, now):
            stop = stop_intent.StopRequest(time=death.time, until=death.time, ours=True)
            self._registry.stops[container.ref.id] = stop
            return []
        is_stop = self._registry.is_podman and self._podman.says_stopped(container, death, now)
        if is_stop is None:
            return []
        if is_stop:
            stop = stop_intent.StopRequest(
                time=death.time, until=death.time + stop_intent.SIGNAL_MARGIN_SECONDS
            )
            self._registry.stops[container.ref.id] = stop
            return []
        return deaths.handle_unwanted_death(self._registry, container, death.exit_code, death.time, now)

    def _find_own_restart(self, info: ContainerInfo, now: float) -> Attempt | None:
        if self._ledger is None:
            return None
        attempts = self._ledger.list_attempts(self._host, info.ref.name)
        return stop_intent.find_own_restart(info, attempts, now)

    def look_again(self, now: float) -> list[IncidentAlert]:
        """Inspect the containers that are to be started again, by Docker's restart policy or by a restart of
        HemoStat. Once an inspection has hung, the others are left to the next round."""
        alerts: list[IncidentAlert] = []
        hung = self._count_hung()
        for container in self._registry:
            if self._count_hung() > hung:
                break
            stop = self._registry.stops.get(container.ref.id)
            is_own_stop = stop is not None and stop.ours and not container.info.is_running
            if not (is_own_stop or container.info.status == "restarting") or now < self._next_looks.get(
                container.ref.id, 0.0
            ):
                continue
            self._next_looks[container.ref.id] = now + (
                restart_owner.FIRST_LOOK_SECONDS if is_own_stop else restart_owner.LOOK_INTERVAL_SECONDS
            )
            with suppress(EngineError):
                judge = partial(self._look_at_awaited, container.ref.id, now, is_own_stop=is_own_stop)
                alerts += self._attempt(container.ref.id, "evaluate the state of", judge)
        return alerts

    def _look_at_awaited(self, container_id: str, now: float, *, is_own_stop: bool) -> list[IncidentAlert]:
        container = self._look(container_id, now)
        if container is None:
            return []
        return (
            self._judge_taken_down(container, now)
            if is_own_stop
            else deaths.report_if_given_up(self._registry, container, now)
        )

    def _judge_taken_down(self, container: WatchedContainer, now: float) -> list[IncidentAlert]:
        """Return the alerts for a container that a restart by HemoStat has stopped, once that restart is over
        without a start."""
        if container.info.is_running or container.info.status == "restarting":
            self._registry.stops.pop(container.ref.id, None)
            return []
        attempt = self._find_own_restart(container.info, now)
        if attempt is not None and stop_intent.is_under_way(attempt, now):
            return []
        return deaths.report_failed_restart(self._registry, container, now)

    def handle_kill(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        self._registry.has_kill_events = True
        self._podman.note_signal(event.container.id, event.time)
        container = self._registry.get(event.container.id)
        is_own_stop = container is not None and self._is_ours(event, container.info, now)
        stop = on_event.record_stop_request(self._registry, event, is_own_stop=is_own_stop)
        if stop is not None and not is_own_stop and container is not None and self._ledger is not None:
            manual_stop = ManualStop(event.time, stop.hold)
            self._ledger.note_stop(self._host, container.ref.name, manual_stop)
            if container.ref.id in self._own_signals:
                self._overridden_stops[container.ref.id] = container.ref.name, now
        return []

    def note_engine_lost(self, now: float) -> None:
        """Correct the recorded stops when the engine goes away. An engine that shuts down stops its
        containers: what looked like a person's stop during a restart by HemoStat was the engine's."""
        for identity, (name, at) in self._overridden_stops.items():
            stop = self._registry.stops.get(identity)
            if now - at > SHUTDOWN_SECONDS or stop is None or self._ledger is None:
                continue
            self._registry.stops[identity] = msgspec.structs.replace(stop, ours=True)
            self._ledger.note_stop(self._host, name, ManualStop(0.0, 0.0))
        self._overridden_stops.clear()

    def _is_ours(self, event: EngineEvent, info: ContainerInfo, now: float) -> bool:
        """Return whether a restart by HemoStat has sent this signal. A restart sends the stop signal once: a
        further one is a person's, who stops the container meanwhile."""
        attempt = self._find_own_restart(info, now)
        if attempt is None:
            return False
        if not stop_intent.is_stop_signal(event, info):
            return True
        key, seen = self._own_signals.get(info.ref.id, ("", 0))
        seen = seen + 1 if key == attempt.key else 1
        self._own_signals[info.ref.id] = attempt.key, seen
        return seen <= attempt.tries

    def handle_stop(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        """Handle a stop that the engine carried out on request: a held exit was intended."""
        stop = self._registry.stops.get(event.container.id)
        if stop is None or not stop.ours:
            self._registry.stops[event.container.id] = stop_intent.read_stop_event(event)
            self._registry.pending_exits.pop(event.container.id, None)
        self._look(event.container.id, now)
        return []

    def handle_start(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        held, before = (
            self._registry.pending_exits.get(event.container.id),
            self._registry.get(event.container.id),
        )
        latest = self._look(event.container.id, now)
        for container in (
            self._registry.stops,
            self._registry.pending_exits,
            self._registry.awaited_restarts,
            self._next_looks,
            self._own_signals,
            self._check_ends,
        ):
            container.pop(event.container.id, None)
        self._podman.forget(event.container.id)
        if held is None or before is None or latest is None:
            return []
        if not self._registry.is_podman or not is_restarted_by_policy(before.info, latest.info):
            return []
        return deaths.handle_unwanted_death(self._registry, before, held.exit_code, held.time, now)

    def forget(self, container_id: str) -> None:
        """Forget a removed container."""
        for records in (
            self._next_looks,
            self._check_ends,
            self._oom_checks,
            self._own_signals,
            self._overridden_stops,
        ):
            records.pop(container_id, None)
        self._podman.forget(container_id)

    def judge_found_dead(
        self, container: WatchedContainer, seen_until: float, now: float
    ) -> list[IncidentAlert]:
        if not seen_until:
            return deaths.report_earlier_death(self._registry, container, now)
        down = exits.stays_down(container.info) and not deaths.is_known_dead(self._registry, container.info)
        if down and self._find_own_restart(container.info, now) is not None:
            time = container.info.finished_at
            self._registry.stops.setdefault(
                container.ref.id, stop_intent.StopRequest(time=time, until=time, ours=True)
            )
        return deaths.find_missed_death(self._registry, container, seen_until, now)
