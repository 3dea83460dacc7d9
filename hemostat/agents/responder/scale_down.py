"""Restores raised limits after a calm period."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.agents.responder.dependencies import ResponderDependencies
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.ledger.leases import is_leased
from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.remediation import scaling
from hemostat.core.usage.gauge import compute_cpu_percent
from hemostat.errors import EngineError, NoSuchContainerError, NotApplicableError
from hemostat.events import Action, Container, Diagnosis, Kind, Outcome, Reason, RemediationComplete

MEASURE_SECONDS: Final = 1.0
"""Seconds over which CPU is measured."""
KINDS_OF_RESOURCES: Final = {
    Resource.MEMORY: Kind.OOM,
    Resource.CPU: Kind.CPU_HIGH,
    Resource.REPLICAS: Kind.CPU_HIGH,
}

logger = logging.getLogger(__name__)


class ScaleDown:
    def __init__(self, dependencies: ResponderDependencies, executor: ActionExecutor) -> None:
        self._engine = dependencies.engine
        self._sampler = dependencies.sampler
        self._ledger = dependencies.ledger
        self._executor = executor
        self._clock = dependencies.clock
        self._host = dependencies.host
        self._calm_seconds = dependencies.limits.scale_calm

    def scale_back_due(self, now: float, may: Callable[[Container], bool]) -> Iterator[RemediationComplete]:
        """Restore the limits that are due, where `may` allows it. The record is removed afterwards, so that
        after a crash in between the next process finds it. Of several responders, the one that removes the
        record reports."""
        for scaled in self._ledger.list_raised_limits(self._host):
            try:
                due = None if self._is_being_raised(scaled, now) else self._find_due(scaled, now, may)
            except EngineError as error:
                logger.warning("scale_down.check_failed container=%s error=%s", scaled.container, error)
                continue
            if due is not None:
                yield from self._scale_back(scaled, due)

    def _is_being_raised(self, scaled: RaisedLimit, now: float) -> bool:
        """Return whether the limit is being raised further now: then its record is about to be replaced."""
        book = self._ledger.read(self._host, "")
        raising = [
            each.scaled
            for each in book.running_attempts
            if each.scaled and is_leased(each, now, book.controls)
        ]
        return any(each.subject == scaled.subject for each in raising)

    def _find_due(
        self, scaled: RaisedLimit, now: float, may: Callable[[Container], bool]
    ) -> ContainerInfo | None:
        """Return a container whose limit, or whose service's number of replicas, is due to be restored."""
        current = self._executor.read_current(scaled)
        if current is None or not scaling.is_still_raised(scaled, current):
            self._ledger.remove_raised_limit(self._host, scaled)
            return None
        members = self._inspect_members(scaled)
        usage = self._measure_usage(scaled, members, current) if members else None
        due = scaling.should_restore_limit(scaled, current, usage, now, self._calm_seconds)
        return members[0] if due and may(members[0].ref) else None

    def _scale_back(self, scaled: RaisedLimit, info: ContainerInfo) -> Iterator[RemediationComplete]:
        try:
            detail = self._executor.scale_back(scaled).detail
            info = info if scaled.service else self._engine.inspect(scaled.container)
        except (NotApplicableError, NoSuchContainerError):
            self._ledger.remove_raised_limit(self._host, scaled)
            return
        except EngineError as error:
            logger.warning("scale_down.failed container=%s error=%s", scaled.container, error)
            return
        if self._ledger.remove_raised_limit(self._host, scaled):
            yield _build_complete(scaled, info, detail)

    def _inspect_members(self, scaled: RaisedLimit) -> list[ContainerInfo]:
        """Return the container, or those of the service that run on this node."""
        if not scaled.service:
            return [self._engine.inspect(scaled.container)]
        members = self._engine.read_service(scaled.service).members
        return [
            info for info in self._engine.inspect_everything() if info.is_running and info.ref.id in members
        ]

    def _measure_usage(
        self, scaled: RaisedLimit, members: Sequence[ContainerInfo], current: float
    ) -> float | None:
        """Return the current usage of the raised resource, in the unit of `scaling.should_restore_limit`;
        None where it is unknown."""
        if scaled.resource is Resource.MEMORY:
            sample = self._read_sample(members[0])
            return None if sample is None or not sample.memory else float(sample.memory)
        cores = [each for each in self._measure_cores(members) if each is not None]
        if len(cores) < len(members):
            return None
        if scaled.resource is Resource.CPU:
            return cores[0]
        return scaling.estimate_busy_replicas(members, cores, current)

    def _measure_cores(self, members: Sequence[ContainerInfo]) -> list[float | None]:
        """Return the cores that each container uses now; None where they cannot be measured."""
        before = [self._read_sample(info) for info in members]
        self._clock.sleep(MEASURE_SECONDS)
        after = [self._read_sample(info) for info in members]
        percents = [
            None if first is None or then is None else compute_cpu_percent(first, then)
            for first, then in zip(before, after, strict=True)
        ]
        return [None if percent is None else percent / 100 for percent in percents]

    def _read_sample(self, info: ContainerInfo) -> Sample | None:
        return next(iter(self._sampler.sample([info], self._clock.now())), None)


def _build_complete(scaled: RaisedLimit, info: ContainerInfo, detail: str) -> RemediationComplete:
    return RemediationComplete(
        container=mask_labels(info.ref),
        kind=KINDS_OF_RESOURCES[scaled.resource],
        action=Action.SCALE,
        outcome=Outcome.HEALED,
        reason=Reason.VERIFIED,
        diagnosis=Diagnosis(
            cause="calm", confidence=1.0, reasons=("the original limit would be sufficient",)
        ),
        detail=f"back: {detail}",
        after=info.state,
    )
