"""A host on which very many containers fail at once."""

import msgspec

from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection import registry
from hemostat.core.detection.probe import Probing
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.events import Container, Kind


def test_failure_does_not_scan_all_containers(monkeypatch):
    """When an engine fails, all its containers do, and the first of them waits for the work on all."""
    asked: list[Container] = []
    monkeypatch.setattr(registry, "get_project", lambda ref: asked.append(ref) or ref.project or "")
    host = registry.ContainerRegistry(MonitorSettings(), HostState(name="h"))
    for number in range(200):
        labels = {"com.docker.compose.project": f"p{number % 20}"}
        ref = Container(id=f"c{number}", name=f"c{number}", labels=labels)
        host.upsert(ContainerInfo(ref=ref, status="running", started_at=1.0), 100.0)
    for patient in tuple(host):
        died = msgspec.structs.replace(patient.info, status="exited", exit_code=1, finished_at=200.0)
        host.report_failure(host.upsert(died, 200.0), Kind.EXITED, since=200.0, now=200.0)
    assert host.is_in_storm(patient, 200.0)
    assert len(asked) < 5 * 200


def test_failed_probes_still_count_when_another_failure_is_not_reported():
    host = registry.ContainerRegistry(MonitorSettings(), HostState(name="h"))
    patient = host.upsert(ContainerInfo(ref=Container(id="c", name="c"), status="running"), 100.0)
    patient.probe_state = Probing(failures=2)
    patient.reset_raised(Kind.UNHEALTHY)
    assert patient.probe_state.failures == 2
    patient.reset_raised(Kind.HUNG)
    assert patient.probe_state.failures == 0
