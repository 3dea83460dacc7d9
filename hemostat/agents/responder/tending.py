"""What was scaled up comes back down after calm."""

import logging
from collections.abc import Callable, Iterator
from typing import Final

from hemostat.agents.responder.surgeon import Surgeon
from hemostat.core import scale
from hemostat.core.detect import cpu_percent
from hemostat.core.model import ContainerInfo, Resource, Sample, Scaled
from hemostat.core.veil import veiled
from hemostat.errors import EngineError, NoSuchContainerError, NotApplicableError
from hemostat.events import Action, Container, Diagnosis, Kind, Outcome, Reason, RemediationComplete
from hemostat.ports import Clock, Engine, Ledger, Sampler

GLANCE: Final = 1.0
"""Seconds over which CPU is measured."""
KINDS: Final = {Resource.MEMORY: Kind.OOM, Resource.CPU: Kind.CPU_HIGH, Resource.REPLICAS: Kind.CPU_HIGH}

logger = logging.getLogger(__name__)


class Tending:
    def __init__(
        self,
        engine: Engine,
        sampler: Sampler,
        ledger: Ledger,
        surgeon: Surgeon,
        clock: Clock,
        *,
        host: str,
        calm: float,
    ) -> None:
        self._engine = engine
        self._sampler = sampler
        self._ledger = ledger
        self._surgeon = surgeon
        self._clock = clock
        self._host = host
        self._calm = calm

    def round(self, now: float, may: Callable[[Container], bool]) -> Iterator[RemediationComplete]:
        """Put back what is due, where it `may` be. The record is taken off afterwards: whoever comes after
        one that was killed in between finds it. Of several responders, the one that takes it off tells."""
        for scaled in self._ledger.scaled(self._host):
            try:
                due = not self._is_being_raised(scaled, now) and self._is_due(scaled, now, may)
            except EngineError as error:
                logger.warning("scale.not_looked_at container=%s error=%s", scaled.container, error)
                continue
            if due:
                yield from self._back(scaled)

    def _is_being_raised(self, scaled: Scaled, now: float) -> bool:
        """Whether it is raised further at this moment: then the record is about to be written anew."""
        raising = [a.scaled for a in self._ledger.read(self._host, "").running if a.scaled and a.lease > now]
        return any((a.container, a.service) == (scaled.container, scaled.service) for a in raising)

    def _is_due(self, scaled: Scaled, now: float, may: Callable[[Container], bool]) -> bool:
        current = self._surgeon.current(scaled)
        if not scale.standing(scaled, current):
            self._ledger.drop_scaled(self._host, scaled)
            return False
        due = scale.due_back(scaled, current, self._usage(scaled), now, self._calm)
        return due and may(self._engine.inspect(scaled.container).ref)

    def _back(self, scaled: Scaled) -> Iterator[RemediationComplete]:
        try:
            detail = self._surgeon.scale_back(scaled).detail
            info = self._engine.inspect(scaled.container)
        except (NotApplicableError, NoSuchContainerError):
            self._ledger.drop_scaled(self._host, scaled)
            return
        except EngineError as error:
            logger.warning("scale.not_put_back container=%s error=%s", scaled.container, error)
            return
        if self._ledger.drop_scaled(self._host, scaled):
            yield _told(scaled, info, detail)

    def _usage(self, scaled: Scaled) -> float | None:
        """What it uses now of what was raised; None where that cannot be known."""
        if scaled.resource is Resource.REPLICAS:
            return None
        info = self._engine.inspect(scaled.container)
        before = self._sample(info)
        if scaled.resource is Resource.MEMORY or before is None:
            return None if before is None else float(before.memory)
        self._clock.sleep(GLANCE)
        after = self._sample(info)
        percent = None if after is None else cpu_percent(before, after)
        return None if percent is None else percent / 100

    def _sample(self, info: ContainerInfo) -> Sample | None:
        return next(iter(self._sampler.sample([info], self._clock.now())), None)


def _told(scaled: Scaled, info: ContainerInfo, detail: str) -> RemediationComplete:
    return RemediationComplete(
        container=veiled(info.ref),
        kind=KINDS[scaled.resource],
        action=Action.SCALE,
        outcome=Outcome.HEALED,
        reason=Reason.VERIFIED,
        diagnosis=Diagnosis(cause="calm", confidence=1.0, reasons=("the old limit would do",)),
        detail=f"back: {detail}",
        after=info.state,
    )
