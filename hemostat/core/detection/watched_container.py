"""One watched container, and what a monitor remembers about all of them over a restart."""

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
from hemostat.core.model import ContainerInfo, Mode, ParentLimits
from hemostat.core.settings.monitor import MonitorSettings, resolve_thresholds
from hemostat.core.usage.baseline import Baseline
from hemostat.core.usage.network import NetworkRates
from hemostat.core.usage.tracker import GAUGED_KINDS, UsageTracker, create_tracker, reset_raised
from hemostat.events import Container, Kind


class WatchedContainer(msgspec.Struct, kw_only=True):
    """One container. The state of its process is reset with every start. `cpu` is percent of one core."""

    info: ContainerInfo
    thresholds: MonitorSettings
    usage: UsageTracker = UsageTracker()
    health: HealthcheckState = HealthcheckState()
    probe_target: ProbeTarget | None = None
    """Where the container asks to be probed."""
    probe_state: Probing = Probing()
    cpu: float | None = None
    traffic: NetworkRates = NetworkRates()
    parent_limits: ParentLimits = ParentLimits()
    """Limits of the cgroups above its own."""
    baseline: Baseline = Baseline()
    """Kept when the process ends."""
    awaits_check: bool = False
    """Whether its failing check waits for a check of a dependency."""

    @property
    def ref(self) -> Container:
        return self.info.ref

    def reset_raised(self, kind: Kind) -> None:
        """Reset a failure that was found and not reported, so that it can be found again."""
        if kind is Kind.HUNG:
            self.probe_state = msgspec.structs.replace(self.probe_state, failures=0, raised=False)
        if kind in GAUGED_KINDS:
            self.usage = reset_raised(self.usage, kind)


class RestoredContainers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a monitor must know about the time before its start, by container id, in epoch seconds."""

    asked: dict[str, float] = {}
    """Written by an earlier version: when a user asked the container to stop."""
    stops: dict[str, StopRequest] = {}
    deaths: dict[str, tuple[float, ...]] = {}
    """Failures by workload (core.detection.restart_owner). `runs` holds, by workload, all runs that an owner
    followed by another."""
    runs: dict[str, tuple[EndedRun, ...]] = {}
    ooms: dict[str, float] = {}
    held: dict[str, PendingExit] = {}
    awaited: dict[str, PendingExit] = {}
    kills: bool = False
    podman: bool = False
    mode: str = ""
    """Written by an earlier version, instead of `responder_mode`."""
    responder_mode: Mode | None = None
    habits: dict[str, Baseline] = {}
    incidents: tuple[Incident, ...] = ()
    began: float = 0.0
    clean_ends: dict[str, int] = {}
    ended: tuple[Incident, ...] = ()
    """Incidents that ended and may relapse."""
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
    """Return a container for a process that was not known before. Incidents that are not older than the
    process stay raised. `reached`: whether a probe has reached the container."""
    incidents_by_kind = {each.kind: each for each in open_incidents if info.started_at <= each.since}
    failing = passed = None
    if info.health == "unhealthy":
        failing = incidents_by_kind[Kind.UNHEALTHY].since if Kind.UNHEALTHY in incidents_by_kind else now
        # The monitor has not seen whether the check ever passed: the engine's count shows it.
        passed = None if has_always_failed(info) else info.started_at
    elif info.health == "healthy":
        passed = now
    return WatchedContainer(
        info=info,
        thresholds=resolve_thresholds(thresholds, info.ref),
        usage=create_tracker(incidents_by_kind, info.started_at),
        health=HealthcheckState(failing, passed),
        probe_target=PROBE.read_from(info.ref.labels),
        probe_state=Probing(
            raised=Kind.HUNG in incidents_by_kind,
            reached=reached,
            never_reached=Kind.HUNG in incidents_by_kind and incidents_by_kind[Kind.HUNG].is_never_reached,
        ),
        baseline=habits.get(info.ref.id, Baseline()),
    )
