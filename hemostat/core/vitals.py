"""What the measurements say of a container under watch, and of the host: gauges, habits, disks, probes."""

from typing import Final

import msgspec

from hemostat.core import baseline, detect, probe
from hemostat.core.baseline import Baseline
from hemostat.core.blame import measured
from hemostat.core.incidents import Told
from hemostat.core.model import DiskUse, HostSample, Probed, Sample
from hemostat.core.thresholds import NEVER, Thresholds
from hemostat.core.track import Finding, Limits, observe
from hemostat.core.ward import Patient, Ward
from hemostat.events import Evidence, Kind, Phase

HABITS: Final = ("cpu", "memory")
"""Thresholds that a container's own habit may raise."""


def limits(patient: Patient, host_memory: int) -> Limits:
    info = patient.info
    return Limits(info.cpu_limit or 1.0, info.memory_limit or host_memory, info.pids_limit or 0)


def lifted(patient: Patient) -> Thresholds:
    """The container's thresholds, its habits considered: none before they are known."""
    tuned = patient.tuned
    if not tuned.baseline:
        return tuned
    learned = {
        name: baseline.threshold(
            patient.habits.get(name, Baseline()),
            getattr(tuned, name),
            window=tuned.baseline_window,
            ceiling=tuned.baseline_ceiling,
        )
        for name in HABITS
    }
    changes = {name: NEVER if value is None else value for name, value in learned.items()}
    return msgspec.structs.replace(tuned, **changes)


def sampled(patient: Patient, sample: Sample, bounds: Limits) -> tuple[Finding, ...]:
    """One more sample: what has become too high, or is so no longer."""
    reading = observe(patient.track, sample, bounds, lifted(patient))
    patient.track, patient.cpu = reading.track, reading.cpu
    if patient.tuned.baseline and reading.cpu is not None and bounds.memory > 0:
        _learn(patient, "cpu", Kind.CPU_HIGH, reading.cpu / bounds.cpu, sample.time)
        _learn(patient, "memory", Kind.MEMORY_HIGH, sample.memory / bounds.memory * 100, sample.time)
    return reading.findings


def _learn(patient: Patient, name: str, kind: Kind, share: float, now: float) -> None:
    patient.habits[name] = baseline.learn(
        patient.habits.get(name, Baseline()),
        share,
        now,
        window=patient.tuned.baseline_window,
        raised=patient.track.gauges.get(kind, detect.Gauge()).raised,
    )


def disk_used(ward: Ward, use: DiskUse, now: float) -> list[Told]:
    patient = ward.get(use.container_id)
    if patient is None:
        return []
    levels = (("disk_bytes", use.size, patient.tuned.disk), ("log_bytes", use.log, patient.tuned.log))
    known = [(name, size, limit) for name, size, limit in levels if size is not None and limit]
    if (use.container_id, Kind.DISK_HIGH) in ward.register:
        over = all(size < limit * detect.RELEASE for _, size, limit in known)
        return ward.register.closed(use.container_id, [Kind.DISK_HIGH]) if over else []
    for name, size, limit in known:
        if size >= limit:
            facts = [Evidence(name, size, "B"), Evidence("threshold", limit, "B")]
            return ward.fail(patient, Kind.DISK_HIGH, since=now, now=now, evidence=facts)
    return []


def host_measured(ward: Ward, sample: HostSample) -> list[Told]:
    limit, window = ward.thresholds.host_disk, ward.thresholds.window
    ward.host = measured(ward.host, sample)
    if not sample.disk_size:
        return []
    share = sample.disk_used / sample.disk_size * 100
    raised = ("", Kind.DISK_HIGH) in ward.register
    gauge = ward.disk if ward.disk.raised == raised else detect.Gauge(raised)
    ward.disk, phase = detect.read_gauge(
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


def probed(ward: Ward, answer: Probed, now: float) -> list[Told]:
    patient = ward.get(answer.container_id)
    if patient is None or not patient.info.running:
        return []
    patient.probing, phase = probe.judge(
        patient.probing,
        answer.error,
        now=now,
        started_at=patient.info.started_at,
        failures=patient.tuned.probe_failures,
        start_period=probe.start_period(patient.ref.labels, patient.tuned.probe_start),
    )
    if phase is Phase.RAISED:
        facts = [Evidence("probe", answer.error)]
        return ward.fail(patient, Kind.HUNG, since=patient.probing.since, now=now, evidence=facts)
    return ward.register.closed(patient.ref.id, [Kind.HUNG]) if phase is Phase.CLEARED else []
