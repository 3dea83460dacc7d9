"""What the monitor does about deaths, stops and starts: the engine is looked at, the ledger asked.

What they mean is the core's to say (core.detection.deaths, core.detection.stop_intent,
core.detection.restart_owner). The ledger is asked which stops belong to a restart by HemoStat, only where a
stop was seen or a container was found dead: never in the way of a crash.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.core.detection import deaths, exits, on_event, restart_owner, stop_intent
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.ledger.rows import Attempt, ManualStop
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.errors import EngineError
from hemostat.ports import Ledger

OOM_CHECK_SECONDS: Final = 2.0
"""Seconds within which the death of a main process follows that it was killed for want of memory."""

SHUTDOWN_SECONDS: Final = 30.0
"""Seconds that an engine takes to stop its containers when it shuts down."""

InspectContainer = Callable[[str, float], WatchedContainer | None]


class DeathWatch:
    """`was_stopped` asks the engine whether somebody stopped a container, where it remembers that. `look`
    inspects a container, `look_upstream` what it depends on; `count_hung` tells how many looks have hung.
    Without a `ledger` every stop is a person's."""

    def __init__(
        self,
        ward: ContainerRegistry,
        ledger: Ledger | None,
        faults: ContainerErrors,
        *,
        host: str,
        was_stopped: Callable[[str], bool],
        look: InspectContainer,
        look_upstream: Callable[[str, float], None],
        count_hung: Callable[[], int] = int,
    ) -> None:
        self._registry = ward
        self._ledger = ledger
        self._errors = faults
        self._host = host
        self._look = look
        self._was_stopped = was_stopped
        self._look_upstream = look_upstream
        self._count_hung = count_hung
        self._next_looks: dict[str, float] = {}
        """When a container that somebody is to start again is looked at (epoch seconds)."""
        self._oom_checks: dict[str, float] = {}
        """When it is judged whether a container has survived that a process was killed (epoch seconds)."""
        self._own_signals: dict[tuple[str, str], int] = {}
        """Stop signals seen during the latest restart of ours, by container and attempt."""
        self._overridden_stops: dict[str, tuple[str, float]] = {}
        """Names of containers that a person seems to have stopped amid a restart of ours, and when (epoch
        seconds)."""
        self._kill_times: dict[str, float] = {}
        """When each was last sent a signal (epoch seconds)."""

    def due(self) -> float | None:
        """When the next death that is held is to be judged (epoch seconds); None where none is held."""
        return min((death.due for death in self._registry.held.values()), default=None)

    def oomed(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        """It comes before the death, if there is one."""
        self._registry.ooms[event.container.id] = event.time
        self.note_oom(event.container.id, now)
        return []

    def note_oom(self, container_id: str, now: float) -> None:
        """The engine or a counter tells of a process in it that was killed for want of memory: whether it was
        the main one shows in a moment."""
        self._oom_checks.setdefault(container_id, now + OOM_CHECK_SECONDS)

    def judge_ooms(self, now: float) -> list[IncidentAlert]:
        """The processes killed for want of memory whose containers go on."""
        due = [identity for identity, at in self._oom_checks.items() if now >= at]
        told: list[IncidentAlert] = []
        for identity in due:
            killed_at = self._oom_checks.pop(identity) - OOM_CHECK_SECONDS
            if (patient := self._registry.get(identity)) is not None:
                judge = partial(deaths.report_survived_oom, self._registry, patient, killed_at, now)
                told += self._attempt(identity, "judge the death of", judge)
        return told

    def _apply_end(self, event: EngineEvent, now: float) -> WatchedContainer | None:
        """What is known of the container, and what its end adds to that. The engine is asked only where it
        must be: while it clears up after the process, it lets an inspection wait."""
        patient = self._registry.get(event.container.id)
        if patient is None or not patient.info.running or event.exit_code is None:
            return self._look(event.container.id, now)
        if patient.info.started_at >= event.time:
            return self._look(event.container.id, now)
        wish = self._registry.stops.get(event.container.id)
        restarts = restart_owner.is_restarted_by_docker(
            patient.info, event.exit_code
        ) and not stop_intent.is_requested_death(wish, event.time)
        status = "restarting" if restarts else "exited"
        ended = {"status": status, "exit_code": event.exit_code, "finished_at": event.time, "pid": 0}
        return self._registry.upsert(msgspec.structs.replace(patient.info, **ended), now)

    def died(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        self._registry.podman = self._registry.podman or event.podman
        patient = self._apply_end(event, now)
        if patient is None:
            return []
        self._look_upstream(patient.ref.id, now)
        return self._await_restart(
            patient, event, deaths.handle_death(self._registry, patient, event, now), now
        )

    def _await_restart(
        self, patient: WatchedContainer, event: EngineEvent, told: list[IncidentAlert], now: float
    ) -> list[IncidentAlert]:
        """Docker is given the time to start it again, then it is looked at."""
        if patient.info.status == "restarting":
            code = patient.info.exit_code
            self._registry.awaited[patient.ref.id] = stop_intent.PendingExit(
                exit_code=code, time=event.time, due=now
            )
            self._next_looks[patient.ref.id] = now + restart_owner.FIRST_LOOK_SECONDS
        return told

    def judge_held(self, now: float) -> list[IncidentAlert]:
        """The deaths of which the engine has not said by now that somebody wanted them."""
        told: list[IncidentAlert] = []
        for identity, death in list(self._registry.held.items()):
            if now < death.due:
                continue
            judge = partial(self._judge_held_exit, identity, death, now)
            told += self._attempt(identity, "judge the death of", judge)
            self._registry.held.pop(identity, None)
        return told

    def _attempt(
        self, container_id: str, doing: str, call: Callable[[], list[IncidentAlert]]
    ) -> list[IncidentAlert]:
        known = self._registry.get(container_id)
        name = container_id[:12] if known is None else known.ref.name
        return self._errors.attempt(container_id, name, doing, call) or []

    def _judge_held_exit(
        self, container_id: str, death: stop_intent.PendingExit, now: float
    ) -> list[IncidentAlert]:
        patient = self._look(container_id, now) if self._registry.podman else self._registry.get(container_id)
        if patient is None or patient.info.running:
            return []
        return self._judge_exit(patient, death, now)

    def _judge_exit(
        self, patient: WatchedContainer, death: stop_intent.PendingExit, now: float
    ) -> list[IncidentAlert]:
        if stop_intent.is_requested_death(self._registry.stops.get(patient.ref.id), death.time):
            return []
        if self._registry.podman and self._find_own_restart(patient.info, now):
            stop = stop_intent.StopRequest(time=death.time, until=death.time, ours=True)
            self._registry.stops[patient.ref.id] = stop
            return []
        if self._registry.podman and self._says_stopped(patient, death):
            said = stop_intent.StopRequest(
                time=death.time, until=death.time + stop_intent.SIGNAL_MARGIN_SECONDS
            )
            self._registry.stops[patient.ref.id] = said
            return []
        return deaths.handle_unwanted_death(self._registry, patient, death.exit_code, death.time, now)

    def _says_stopped(self, patient: WatchedContainer, death: stop_intent.PendingExit) -> bool:
        """By Podman's own word, which any signal sets for the whole run: after one that the container has
        survived, only an end by a signal is taken for a stop."""
        signalled = self._kill_times.get(patient.ref.id, 0.0) >= patient.info.started_at
        if signalled and death.exit_code not in stop_intent.SIGNAL_EXIT_CODES:
            return False
        return self._was_stopped(patient.ref.id)

    def _find_own_restart(self, info: ContainerInfo, now: float) -> Attempt | None:
        if self._ledger is None:
            return None
        attempts = self._ledger.attempts(self._host, info.ref.name)
        return stop_intent.find_own_restart(info, attempts, now)

    def look_again(self, now: float) -> list[IncidentAlert]:
        """At the containers that somebody is to start again: Docker by its policy, or a restart of ours. Once
        one has hung, the others are left to the next round."""
        told: list[IncidentAlert] = []
        hung = self._count_hung()
        for patient in self._registry:
            if self._count_hung() > hung:
                break
            stop = self._registry.stops.get(patient.ref.id)
            ours = stop is not None and stop.ours and not patient.info.running
            if not (ours or patient.info.status == "restarting") or now < self._next_looks.get(
                patient.ref.id, 0.0
            ):
                continue
            self._next_looks[patient.ref.id] = now + (
                restart_owner.FIRST_LOOK_SECONDS if ours else restart_owner.LOOK_INTERVAL_SECONDS
            )
            with suppress(EngineError):
                judge = partial(self._look_at_awaited, patient.ref.id, now, ours=ours)
                told += self._attempt(patient.ref.id, "judge the state of", judge)
        return told

    def _look_at_awaited(self, container_id: str, now: float, *, ours: bool) -> list[IncidentAlert]:
        seen = self._look(container_id, now)
        if seen is None:
            return []
        return (
            self._judge_taken_down(seen, now)
            if ours
            else deaths.report_if_given_up(self._registry, seen, now)
        )

    def _judge_taken_down(self, patient: WatchedContainer, now: float) -> list[IncidentAlert]:
        """Once the restart of ours that has stopped the container is over, and has not started it."""
        if patient.info.running or patient.info.status == "restarting":
            self._registry.stops.pop(patient.ref.id, None)
            return []
        attempt = self._find_own_restart(patient.info, now)
        if attempt is not None and stop_intent.is_under_way(attempt, now):
            return []
        return deaths.report_failed_restart(self._registry, patient, now)

    def killed(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        self._registry.kills = True
        self._kill_times[event.container.id] = event.time
        patient = self._registry.get(event.container.id)
        ours = patient is not None and self._is_ours(event, patient.info, now)
        stop = on_event.record_stop_request(self._registry, event, ours=ours)
        if stop is not None and not ours and patient is not None and self._ledger is not None:
            noted = ManualStop(event.time, stop.hold)
            self._ledger.note_stop(self._host, patient.ref.name, noted)
            if any(identity == patient.ref.id for identity, _ in self._own_signals):
                self._overridden_stops[patient.ref.id] = patient.ref.name, now
        return []

    def engine_lost(self, now: float) -> None:
        """An engine that shuts down stops its containers: what looked like a person's stop amid a restart of
        ours was the engine's."""
        for identity, (name, at) in self._overridden_stops.items():
            stop = self._registry.stops.get(identity)
            if now - at > SHUTDOWN_SECONDS or stop is None or self._ledger is None:
                continue
            self._registry.stops[identity] = msgspec.structs.replace(stop, ours=True)
            self._ledger.note_stop(self._host, name, ManualStop(0.0, 0.0))
        self._overridden_stops.clear()

    def _is_ours(self, event: EngineEvent, info: ContainerInfo, now: float) -> bool:
        """Whether a restart of ours has sent this signal. A restart sends the stop signal once: one more is a
        person's, who stops the container meanwhile."""
        attempt = self._find_own_restart(info, now)
        if attempt is None:
            return False
        if not stop_intent.is_stop_signal(event, info):
            return True
        key = (info.ref.id, attempt.key)
        self._own_signals = {key: self._own_signals.get(key, 0) + 1}
        return self._own_signals[key] <= attempt.tries

    def stopped(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        """The engine has stopped it as somebody asked: whatever it is held for was wanted."""
        stop = self._registry.stops.get(event.container.id)
        if stop is None or not stop.ours:
            self._registry.stops[event.container.id] = stop_intent.read_stop_event(event)
            self._registry.held.pop(event.container.id, None)
        self._look(event.container.id, now)
        return []

    def started(self, event: EngineEvent, now: float) -> list[IncidentAlert]:
        self._look(event.container.id, now)
        for known in (
            self._registry.stops,
            self._registry.held,
            self._registry.awaited,
            self._next_looks,
            self._kill_times,
        ):
            known.pop(event.container.id, None)
        return []

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        for known in (self._next_looks, self._oom_checks, self._kill_times, self._overridden_stops):
            known.pop(container_id, None)
        self._own_signals = {key: each for key, each in self._own_signals.items() if key[0] != container_id}

    def found_dead(self, patient: WatchedContainer, seen_until: float, now: float) -> list[IncidentAlert]:
        if not seen_until:
            return deaths.report_earlier_death(self._registry, patient, now)
        down = exits.stays_down(patient.info) and not deaths.is_known_dead(self._registry, patient.info)
        if down and self._find_own_restart(patient.info, now) is not None:
            time = patient.info.finished_at
            self._registry.stops.setdefault(
                patient.ref.id, stop_intent.StopRequest(time=time, until=time, ours=True)
            )
        return deaths.find_missed_death(self._registry, patient, seen_until, now)
