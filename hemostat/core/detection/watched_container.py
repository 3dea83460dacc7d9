"""One container under watch, and what a monitor remembers of all of them over a restart."""

from collections.abc import Collection, Mapping

import msgspec

from hemostat.core.detection.healthcheck import HealthcheckState
from hemostat.core.detection.healthcheck_output import has_always_failed
from hemostat.core.detection.incidents import Incident
from hemostat.core.detection.probe import Probing
from hemostat.core.detection.restart_owner import EndedRun
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.labels.definitions import PROBE
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ContainerInfo, ParentLimits
from hemostat.core.settings.monitor import MonitorSettings, resolve_thresholds
from hemostat.core.usage.baseline import Baseline
from hemostat.core.usage.network import NetworkRates
from hemostat.core.usage.tracker import GAUGED_KINDS, UsageTracker, create_tracker, reset_raised
from hemostat.events import Container, Kind


class WatchedContainer(msgspec.Struct, kw_only=True):
    """One container. What is known of its process begins anew with every start. `cpu` is percent of one
    core."""

    info: ContainerInfo
    tuned: MonitorSettings
    track: UsageTracker = UsageTracker()
    health: HealthcheckState = HealthcheckState()
    target: ProbeTarget | None = None
    """What it asks to be probed on."""
    probing: Probing = Probing()
    cpu: float | None = None
    traffic: NetworkRates = NetworkRates()
    parents: ParentLimits = ParentLimits()
    """Limits of the cgroups above its own."""
    habit: Baseline = Baseline()
    """Outlives the process."""
    awaits_check: bool = False
    """Whether its failing check waits for a check of what it depends on."""

    @property
    def ref(self) -> Container:
        return self.info.ref

    def unraise(self, kind: Kind) -> None:
        """It was found and not told: let it be found anew."""
        if kind is Kind.HUNG:
            self.probing = msgspec.structs.replace(self.probing, failures=0, raised=False)
        if kind in GAUGED_KINDS:
            self.track = reset_raised(self.track, kind)


class RestoredContainers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a monitor must know of the time before it was started, by container id, in epoch seconds."""

    asked: dict[str, float] = {}
    """Of an earlier version: when somebody asked it to stop."""
    stops: dict[str, StopRequest] = {}
    deaths: dict[str, tuple[float, ...]] = {}
    """Failures, and below all runs that an owner followed by another, by workload
    (core.detection.restart_owner)."""
    runs: dict[str, tuple[EndedRun, ...]] = {}
    ooms: dict[str, float] = {}
    held: dict[str, PendingExit] = {}
    awaited: dict[str, PendingExit] = {}
    kills: bool = False
    podman: bool = False
    mode: str = ""
    habits: dict[str, Baseline] = {}
    incidents: tuple[Incident, ...] = ()
    began: float = 0.0
    clean_ends: dict[str, int] = {}
    ended: tuple[Incident, ...] = ()
    """Those that are over and may relapse."""
    reached: tuple[str, ...] = ()
    """Containers that a probe has reached."""


def create_watched_container(
    info: ContainerInfo,
    thresholds: MonitorSettings,
    open_incidents: Collection[Incident],
    habits: Mapping[str, Baseline],
    *,
    reached: bool,
    now: float,
) -> WatchedContainer:
    """A process that was not known before. What was alerted before, and is not older than the process, stays
    alerted. `reached`: whether a probe has reached the container."""
    known = {each.kind: each for each in open_incidents if info.started_at <= each.since}
    failing = passed = None
    if info.health == "unhealthy":
        failing = known[Kind.UNHEALTHY].since if Kind.UNHEALTHY in known else now
        # Whether it has ever passed, nobody has seen: the engine's count tells.
        passed = None if has_always_failed(info) else info.started_at
    elif info.health == "healthy":
        passed = now
    return WatchedContainer(
        info=info,
        tuned=resolve_thresholds(thresholds, info.ref),
        track=create_tracker(known, info.started_at),
        health=HealthcheckState(failing, passed),
        target=PROBE.of(info.ref.labels),
        probing=Probing(
            raised=Kind.HUNG in known,
            reached=reached,
            astray=Kind.HUNG in known and known[Kind.HUNG].says_nothing,
        ),
        habit=habits.get(info.ref.id, Baseline()),
    )
