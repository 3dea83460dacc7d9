"""Whether an action helped: by the engine, and by the symptom that was alerted."""

from typing import Final

from hemostat.agents.responder.report import Ended, verified
from hemostat.core.limits import Limits
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.units import show_size
from hemostat.core.verify import DOWN, SAMPLED, Health, short_of, state_of, still_high
from hemostat.events import HealthAlert, Kind
from hemostat.ports import Clock, Engine, Sampler

POLL: Final = 0.25
"""Seconds between two looks at a container."""
GLANCE: Final = 1.0
"""Seconds over which CPU is measured."""


class Verifier:
    def __init__(
        self, engine: Engine, sampler: Sampler, clock: Clock, limits: Limits, host_memory: int
    ) -> None:
        self._engine = engine
        self._sampler = sampler
        self._clock = clock
        self._limits = limits
        self._host_memory = host_memory

    def verify(self, alert: HealthAlert, freed: int | None = None) -> Ended:
        """Look until the container has been well for `verify_for`, is ill, or `verify_timeout` is over. Of
        the host, whether what was `freed` (bytes) is enough."""
        if alert.container.is_host:
            return verified(short_of(alert, freed or 0))
        latest, deadline = self._clock.now(), self._clock.now() + self._limits.verify_timeout
        well_since: float | None = None
        started: float | None = None
        base: Sample | None = None
        while True:
            info = self._engine.inspect(alert.container.id)
            now = self._clock.now()
            if now < latest:  # the clock was set back: count anew
                deadline, well_since = now + self._limits.verify_timeout, None
            latest = now
            health, why = state_of(info)
            if health is Health.ILL:
                return verified(why, info.state)
            if health is Health.NOT_YET:
                well_since = None
            elif well_since is None or info.started_at != started:
                well_since, started, base = now, info.started_at, self._sample(info, now)
            elif now - well_since >= self._limits.verify_for:
                return verified(self._symptom(alert, info, base, now), info.state)
            if now >= deadline:
                return verified(why or "it did not stay up", info.state)
            self._clock.sleep(POLL)

    def stopped(self, container: str) -> Ended:
        """Look until it is down, or `verify_timeout` is over."""
        deadline = self._clock.now() + self._limits.verify_timeout
        while (info := self._engine.inspect(container)).status not in DOWN and self._clock.now() < deadline:
            self._clock.sleep(POLL)
        return verified("" if info.status in DOWN else f"it is {info.status}", info.state)

    def is_over(self, alert: HealthAlert, info: ContainerInfo) -> bool:
        """Whether what was measured once is so no longer; False where it cannot be measured again."""
        if alert.kind not in SAMPLED:
            return False
        base = self._sample(info, self._clock.now())
        self._clock.sleep(GLANCE)
        after = self._sample(info, self._clock.now())
        if base is None or after is None:
            return False
        return not still_high(alert, info, base, after, self._host_memory)

    def _sample(self, info: ContainerInfo, now: float) -> Sample | None:
        return next(iter(self._sampler.sample([info], now)), None)

    def _symptom(self, alert: HealthAlert, info: ContainerInfo, base: Sample | None, now: float) -> str:
        """What is left of the alert's condition; empty if nothing is."""
        if alert.kind is Kind.DISK_HIGH:
            size, threshold = self._engine.writable_size(info.ref.id), alert.number("threshold")
            return f"it still holds {show_size(size)}" if size >= threshold else ""
        if alert.kind not in SAMPLED:
            return ""
        after = self._sample(info, now)
        if base is None or after is None:
            return "its CPU and memory cannot be measured"
        return still_high(alert, info, base, after, self._host_memory)
