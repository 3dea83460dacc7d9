"""Derives incidents from measurements of watched containers and their host, including disks and probes."""

from collections.abc import Callable, Sequence

from hemostat.core.dependencies.root_cause import update_host_state
from hemostat.core.detection import probe
from hemostat.core.detection.incidents import IncidentAlert
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.watched_container import WatchedContainer
from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.core.model import DiskUse, HostSample, Probed, Sample
from hemostat.core.redact import redact
from hemostat.core.usage import baseline, tracker
from hemostat.core.usage import gauge as detect
from hemostat.core.usage.findings import ResourceLimits, UsageFinding
from hemostat.core.usage.network import update_rates
from hemostat.core.usage.process_activity import Activity
from hemostat.core.usage.tracker import observe
from hemostat.events import Evidence, Kind, Phase


def find_limits(container: WatchedContainer, host_memory: int) -> ResourceLimits:
    """Return the limits in effect: the least of the container's own, a parent cgroup's and the host's."""
    info, parents = container.info, container.parent_limits
    cpu = _find_least(info.cpu_limit, parents.cpu)
    memory = _find_least(info.memory_limit, parents.memory, host_memory)
    owner = ""
    if memory and memory != info.memory_limit:
        owner = f"its parent cgroup {parents.memory_of}" if memory == parents.memory else "the host"
    return ResourceLimits(
        cpu=cpu or 1.0,
        memory=int(memory or 0),
        pids=int(_find_least(info.pids_limit, parents.pids) or 0),
        has_cpu_limit=cpu is not None,
        memory_of=owner,
    )


def _find_least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit), default=None)


def should_read_activity(container: WatchedContainer, sample: Sample, bounds: ResourceLimits) -> bool:
    """Return whether to read what the container's processes do with their CPU."""
    thresholds = baseline.raise_thresholds(container.thresholds, container.baseline)
    return tracker.should_read_activity(container.usage, sample, bounds, thresholds)


def should_read_history(container: WatchedContainer, sample: Sample, bounds: ResourceLimits) -> bool:
    """Return whether the measurements stored by an earlier monitor are worth reading for this container."""
    return tracker.should_read_history(container.usage, sample, bounds)


def restore_history(container: WatchedContainer, points: Sequence[MetricPoint], sample: Sample) -> None:
    """Continue from the measurements that an earlier monitor stored."""
    container.usage = tracker.restore_history(container.usage, points, sample, container.thresholds)


def record_sample(
    container: WatchedContainer, sample: Sample, bounds: ResourceLimits, activity: Activity | None = None
) -> tuple[UsageFinding, ...]:
    """Record a sample. Return the values that became too high, or are no longer too high."""
    reading = observe(
        container.usage,
        sample,
        bounds,
        baseline.raise_thresholds(container.thresholds, container.baseline),
        activity,
    )
    container.usage, container.cpu = reading.tracker, reading.cpu
    container.parent_limits = sample.parents or container.parent_limits
    container.traffic = update_rates(container.traffic, sample)
    raised = any(gauge.raised for gauge in reading.tracker.gauges.values())
    if container.thresholds.baseline and reading.cpu is not None and bounds.memory > 0 and not raised:
        shares = {
            Kind.CPU_HIGH: reading.cpu / bounds.cpu,
            Kind.MEMORY_HIGH: sample.memory / bounds.memory * 100,
        }
        container.baseline = baseline.learn(container.baseline, shares, sample.time, container.thresholds)
    return reading.findings


def check_disk_use(registry: ContainerRegistry, use: DiskUse, now: float) -> list[IncidentAlert]:
    container = registry.get(use.container_id)
    if container is None:
        return []
    levels = (
        ("disk_bytes", use.size, container.thresholds.disk),
        ("log_bytes", use.log, container.thresholds.log),
    )
    limited_sizes = [(name, size, limit) for name, size, limit in levels if size is not None and limit]
    if (use.container_id, Kind.DISK_HIGH) in registry.incidents:
        over = all(size < limit * detect.RELEASE_SHARE for _, size, limit in limited_sizes)
        return registry.close_recovered(container, [Kind.DISK_HIGH], now) if over else []
    for name, size, limit in limited_sizes:
        if size >= limit:
            facts = [Evidence(name, size, "B"), Evidence("threshold", limit, "B")]
            return registry.report_failure(container, Kind.DISK_HIGH, since=now, now=now, evidence=facts)
    return []


def check_host(registry: ContainerRegistry, sample: HostSample) -> list[IncidentAlert]:
    limit, window = registry.thresholds.host_disk, registry.thresholds.window
    registry.host = update_host_state(registry.host, sample)
    if not sample.disk_size:
        return []
    share = sample.disk_used / sample.disk_size * 100
    raised = ("", Kind.DISK_HIGH) in registry.incidents
    gauge = registry.host_disk_gauge if registry.host_disk_gauge.raised == raised else detect.Gauge(raised)
    registry.host_disk_gauge, phase = detect.update_gauge(
        gauge, share, limit, window=window, interval_start=sample.time, now=sample.time
    )
    if phase is not Phase.RAISED:
        return registry.incidents.close_incidents("", [Kind.DISK_HIGH]) if phase is Phase.CLEARED else []
    facts = [
        Evidence("disk", round(share, 1), "%"),
        Evidence("threshold", limit, "%"),
        Evidence("disk_free", sample.disk_size - sample.disk_used, "B"),
    ]
    alert = registry.incidents.open_incident(
        registry.host_container, Kind.DISK_HIGH, since=sample.time, window=window, evidence=facts
    )
    return [alert]


def record_probe(
    registry: ContainerRegistry,
    answer: Probed,
    now: float,
    look_upstream: Callable[[str, float], None] = lambda *_: None,
) -> list[IncidentAlert]:
    """Record a probe result. `look_upstream` inspects the container's dependencies when its failure is
    reported, not at each probe."""
    container = registry.get(answer.container_id)
    if container is None or not container.info.is_running:
        return []
    container.probe_state, phase = probe.record_probe_result(
        container.probe_state,
        answer.error,
        now=now,
        started_at=container.info.started_at,
        failures=container.thresholds.probe_failures,
        start_period=container.thresholds.probe_start,
    )
    if phase is Phase.RAISED:
        facts = [Evidence("probe", redact(answer.error))]
        if container.probe_state.never_reached:
            facts.append(Evidence("never_reached", value=True))
        if probe.is_unsent(answer.error):
            since = container.probe_state.since
            return [registry.report_alone(container, Kind.HUNG, since=since, evidence=facts)]
        look_upstream(container.ref.id, now)
        return registry.report_failure(
            container, Kind.HUNG, since=container.probe_state.since, now=now, evidence=facts
        )
    return registry.close_recovered(container, [Kind.HUNG], now) if phase is Phase.CLEARED else []
