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


def find_limits(patient: WatchedContainer, host_memory: int) -> ResourceLimits:
    """Return the limits in effect: the least of the container's own, a parent cgroup's and the host's."""
    info, parents = patient.info, patient.parents
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


def should_read_activity(patient: WatchedContainer, sample: Sample, bounds: ResourceLimits) -> bool:
    """Return whether to read what the container's processes do with their CPU."""
    lifted = baseline.raise_thresholds(patient.tuned, patient.habit)
    return tracker.should_read_activity(patient.track, sample, bounds, lifted)


def should_read_history(patient: WatchedContainer, sample: Sample, bounds: ResourceLimits) -> bool:
    """Return whether the measurements stored by an earlier monitor are worth reading for this container."""
    return tracker.should_read_history(patient.track, sample, bounds)


def restore_history(patient: WatchedContainer, points: Sequence[MetricPoint], sample: Sample) -> None:
    """Continue from the measurements that an earlier monitor stored."""
    patient.track = tracker.restore_history(patient.track, points, sample, patient.tuned)


def record_sample(
    patient: WatchedContainer, sample: Sample, bounds: ResourceLimits, activity: Activity | None = None
) -> tuple[UsageFinding, ...]:
    """Record a sample. Return the values that became too high, or are no longer too high."""
    reading = observe(
        patient.track, sample, bounds, baseline.raise_thresholds(patient.tuned, patient.habit), activity
    )
    patient.track, patient.cpu = reading.track, reading.cpu
    patient.parents = sample.parents or patient.parents
    patient.traffic = update_rates(patient.traffic, sample)
    raised = any(gauge.raised for gauge in reading.track.gauges.values())
    if patient.tuned.baseline and reading.cpu is not None and bounds.memory > 0 and not raised:
        shares = {
            Kind.CPU_HIGH: reading.cpu / bounds.cpu,
            Kind.MEMORY_HIGH: sample.memory / bounds.memory * 100,
        }
        patient.habit = baseline.learn(patient.habit, shares, sample.time, patient.tuned)
    return reading.findings


def check_disk_use(ward: ContainerRegistry, use: DiskUse, now: float) -> list[IncidentAlert]:
    patient = ward.get(use.container_id)
    if patient is None:
        return []
    levels = (("disk_bytes", use.size, patient.tuned.disk), ("log_bytes", use.log, patient.tuned.log))
    known = [(name, size, limit) for name, size, limit in levels if size is not None and limit]
    if (use.container_id, Kind.DISK_HIGH) in ward.register:
        over = all(size < limit * detect.RELEASE_SHARE for _, size, limit in known)
        return ward.register.closed(use.container_id, [Kind.DISK_HIGH]) if over else []
    for name, size, limit in known:
        if size >= limit:
            facts = [Evidence(name, size, "B"), Evidence("threshold", limit, "B")]
            return ward.fail(patient, Kind.DISK_HIGH, since=now, now=now, evidence=facts)
    return []


def check_host(ward: ContainerRegistry, sample: HostSample) -> list[IncidentAlert]:
    limit, window = ward.thresholds.host_disk, ward.thresholds.window
    ward.host = update_host_state(ward.host, sample)
    if not sample.disk_size:
        return []
    share = sample.disk_used / sample.disk_size * 100
    raised = ("", Kind.DISK_HIGH) in ward.register
    gauge = ward.disk if ward.disk.raised == raised else detect.Gauge(raised)
    ward.disk, phase = detect.update_gauge(
        gauge, share, limit, window=window, begun=sample.time, now=sample.time
    )
    if phase is not Phase.RAISED:
        return ward.register.closed("", [Kind.DISK_HIGH]) if phase is Phase.CLEARED else []
    facts = [
        Evidence("disk", round(share, 1), "%"),
        Evidence("threshold", limit, "%"),
        Evidence("disk_free", sample.disk_size - sample.disk_used, "B"),
    ]
    told = ward.register.opened(ward.itself, Kind.DISK_HIGH, since=sample.time, window=window, evidence=facts)
    return [told]


def record_probe(
    ward: ContainerRegistry,
    answer: Probed,
    now: float,
    look_upstream: Callable[[str, float], None] = lambda *_: None,
) -> list[IncidentAlert]:
    """Record a probe result. `look_upstream` inspects the container's dependencies when its failure is
    reported, not at each probe."""
    patient = ward.get(answer.container_id)
    if patient is None or not patient.info.running:
        return []
    patient.probing, phase = probe.record_probe_result(
        patient.probing,
        answer.error,
        now=now,
        started_at=patient.info.started_at,
        failures=patient.tuned.probe_failures,
        start_period=patient.tuned.probe_start,
    )
    if phase is Phase.RAISED:
        look_upstream(patient.ref.id, now)
        facts = [Evidence("probe", redact(answer.error))]
        if patient.probing.astray:
            facts.append(Evidence("never_reached", value=True))
        return ward.fail(patient, Kind.HUNG, since=patient.probing.since, now=now, evidence=facts)
    return ward.register.closed(patient.ref.id, [Kind.HUNG]) if phase is Phase.CLEARED else []
