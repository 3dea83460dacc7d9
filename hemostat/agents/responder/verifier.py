"""Verifies an action, by the state of the container and by the symptom of the alert."""

from collections.abc import Callable
from math import inf
from typing import Final

from hemostat.agents.responder.outcome import ActionEnd, make_verified_end
from hemostat.core.detection import probe
from hemostat.core.labels.definitions import PROBE, PROBE_START
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.remediation.verify import (
    DOWN_STATES,
    MAX_STARTUP_SECONDS,
    SAMPLED_KINDS,
    HealthVerdict,
    assess_health,
    compute_startup_seconds,
    describe_disk_shortage,
    describe_remaining_excess,
)
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.units import show_size
from hemostat.events import HealthAlert, Kind, Outcome, Reason
from hemostat.ports import Clock, Engine, Sampler

POLL_SECONDS: Final = 0.25
"""Seconds between two inspections of a container."""
MEASURE_SECONDS: Final = 1.0
"""Seconds over which CPU is measured."""
PROBE_SECONDS: Final = 2.0
MAX_WAIT_SECONDS: Final = 120.0
"""Maximum seconds for a container's own healthcheck after a start: of a container that was (re)started, and
of another that starts."""
NOT_PROBED: Final = "its probe has not passed"

Probe = Callable[[ProbeTarget, probe.ProbeRoute, float], str]
"""Probes a target within a number of seconds. Returns the error; empty for none."""


class Verifier:
    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        clock: Clock,
        limits: ResponderSettings,
        host_memory: int,
        probe: Probe | None = None,
    ) -> None:
        """Without a `probe`, an alert about a failed probe cannot be verified."""
        self._engine = engine
        self._sampler = sampler
        self._clock = clock
        self._limits = limits
        self._host_memory = host_memory
        self._probe = probe

    def verify(
        self,
        alert: HealthAlert,
        freed: int | None = None,
        *,
        restarted: bool = True,
        since: float = inf,
        within: float = inf,
    ) -> ActionEnd:
        """Inspect until the container has been healthy for `verify_for`, has failed, or its time is up: the
        time that its own healthcheck may take after a start, and `verify_timeout`, from `since` (epoch
        seconds) or now. The outcome is WAITING where it starts for longer than `within` seconds. For the
        host, compare the `freed` bytes with the shortage."""
        if alert.container.is_host:
            return make_verified_end(describe_disk_shortage(alert, freed or 0))
        begin = latest = self._clock.now()
        deadline = 0.0
        well_since: float | None = None
        running_since: float | None = None
        base: Sample | None = None
        while True:
            info = self._engine.inspect(alert.container.id)
            now = self._clock.now()
            if now < latest:  # the clock was set back: start again
                begin, deadline, well_since = now, 0.0, None
            deadline = deadline or min(since, now) + self.compute_max_seconds(
                alert, info, restarted=restarted
            )
            latest = now
            health, why = self._find_state(alert, info, now)
            if health is HealthVerdict.ILL:
                return make_verified_end(why, info.state)
            if health is HealthVerdict.NOT_YET:
                well_since = None
            elif well_since is None or info.started_at != running_since:
                well_since, running_since = now, info.started_at
                base = self._read_sample(info, now) if alert.kind in SAMPLED_KINDS else None
            elif now - well_since >= self._limits.verify_for:
                return make_verified_end(self._find_symptom(alert, info, base, now), info.state)
            grace = 0.0 if well_since is None else self._limits.verify_for + POLL_SECONDS
            if now >= max(deadline, begin + grace):
                return make_verified_end(why or "it stopped again", info.state)
            if health is HealthVerdict.NOT_YET and now - begin >= within:
                return ActionEnd(outcome=Outcome.WAITING, reason=Reason.NOT_VERIFIED, detail=why)
            self._clock.sleep(POLL_SECONDS)

    def compute_max_seconds(
        self, alert: HealthAlert, info: ContainerInfo | None, *, restarted: bool = True
    ) -> float:
        """Return the maximum seconds of a verification, after an action that has `restarted` the container,
        or another action."""
        own = 0.0 if info is None else compute_startup_seconds(info)
        if alert.kind is Kind.HUNG:
            start = PROBE_START.read_from(alert.container.labels)
            own = max(own, probe.START_PERIOD_SECONDS if start is None else start)
        return min(own, MAX_STARTUP_SECONDS if restarted else MAX_WAIT_SECONDS) + self._limits.verify_timeout

    def _find_state(self, alert: HealthAlert, info: ContainerInfo, now: float) -> tuple[HealthVerdict, str]:
        """Return the state by the engine and, for an alert about a failed probe, by the probe."""
        health, why = assess_health(info, now)
        target = PROBE.read_from(alert.container.labels) if alert.kind is Kind.HUNG else None
        if target is None or health is not HealthVerdict.WELL:
            return health, why
        error = self._run_probe(info, target)
        return (HealthVerdict.NOT_YET, f"its probe still fails: {error}") if error else (health, why)

    def _run_probe(self, info: ContainerInfo, target: ProbeTarget) -> str:
        route = probe.find_route(info, self._find_network_owners(info))
        if self._probe is None or route is None:
            return NOT_PROBED
        return self._probe(target, route, PROBE_SECONDS)

    def _find_network_owners(self, info: ContainerInfo) -> dict[str, ContainerInfo]:
        """Return the containers whose network it shares, by the names in its network mode."""
        owners: dict[str, ContainerInfo] = {}
        while info.network_mode.startswith(probe.SHARED_NETWORK_PREFIX):
            name = info.network_mode.removeprefix(probe.SHARED_NETWORK_PREFIX)
            if name in owners:
                break
            info = owners[name] = self._engine.inspect(name)
        return owners

    def verify_stopped(self, container: str) -> ActionEnd:
        """Inspect until the container is down, or `verify_timeout` is over."""
        deadline = self._clock.now() + self._limits.verify_timeout
        while (
            info := self._engine.inspect(container)
        ).status not in DOWN_STATES and self._clock.now() < deadline:
            self._clock.sleep(POLL_SECONDS)
        return make_verified_end("" if info.status in DOWN_STATES else f"it is {info.status}", info.state)

    def has_passed(self, alert: HealthAlert, info: ContainerInfo) -> bool:
        """Return whether a measured symptom is gone; False where it cannot be measured again."""
        if alert.kind not in SAMPLED_KINDS:
            return False
        base = self._read_sample(info, self._clock.now())
        self._clock.sleep(MEASURE_SECONDS)
        after = self._read_sample(info, self._clock.now())
        if base is None or after is None:
            return False
        return not describe_remaining_excess(alert, info, base, after, self._host_memory)

    def _read_sample(self, info: ContainerInfo, now: float) -> Sample | None:
        return next(iter(self._sampler.sample([info], now)), None)

    def _find_symptom(self, alert: HealthAlert, info: ContainerInfo, base: Sample | None, now: float) -> str:
        """Return what remains of the alert's condition; empty for nothing."""
        if alert.kind is Kind.DISK_HIGH:
            size, threshold = self._engine.writable_size(info.ref.id), alert.get_number("threshold")
            return f"it still uses {show_size(size)}" if size >= threshold else ""
        if alert.kind not in SAMPLED_KINDS:
            return ""
        after = self._read_sample(info, now)
        if base is None or after is None:
            return "its CPU and memory cannot be measured"
        return describe_remaining_excess(alert, info, base, after, self._host_memory)
