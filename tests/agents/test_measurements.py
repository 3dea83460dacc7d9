"""Measurements that hang do not add up, and delay neither others nor the end of the process."""

import subprocess
import sys
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from hemostat.agents.monitor.measurements import Measurements
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import ConnectionPeers
from hemostat.core.settings.monitor import MonitorSettings
from tests.support.engine_fixtures import eventually

TARGET = ProbeTarget("http", 80)

HANGING_MEASUREMENTS = """
import threading
from types import SimpleNamespace
from unittest.mock import Mock
from hemostat.agents.monitor.measurements import Measurements
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.labels.values import ProbeTarget
from hemostat.events import Container

begun = threading.Event()

def hang(*_, **options):
    begun.set()
    threading.Event().wait()

info = ContainerInfo(ref=Container(id="web", name="web"), status="running")
monitor = SimpleNamespace(
    list_disk_measured=lambda: [info],
    list_probes=lambda: [("web", ProbeTarget("http", 80), "web")],
    attempt=lambda ref, doing, call: call(),
)
measurements = Measurements(
    monitor,
    SimpleNamespace(writable_size=hang),
    Mock(),
    SimpleNamespace(probe=hang),
    Mock(now=lambda: 0.0),
    MonitorSettings(),
    Mock(),
    Mock(),
)
"""


def test_hanging_probe_is_not_started_again():
    go, asked, told = threading.Event(), list[str](), list[str]()

    def probe(_target: ProbeTarget, address: str, _timeout: float) -> str:
        asked.append(address)
        if address != "web":
            go.wait(30)
        return ""

    names = [*(f"t{number}" for number in range(40)), "web"]
    measuring = Measurements(
        SimpleNamespace(list_probes=lambda: [(name, TARGET, name) for name in names]),
        Mock(),
        Mock(),
        SimpleNamespace(probe=probe),
        Mock(now=lambda: 0.0),
        MonitorSettings(),
        Mock(),
        lambda probed: told.append(probed.container_id),
    )
    try:
        for round_ in range(1, 4):
            measuring._submit_probes()
            eventually(lambda count=round_: told.count("web") == count, seconds=10.0)
        assert sorted(set(asked)) == sorted(names)
        assert len(asked) == len(names) + 2
    finally:
        go.set()
        measuring.stop()


def test_connections_are_reported_to_the_monitor():
    answers = [ConnectionPeers(container_id="web", clients=("10.0.0.2",)), None]
    observations: list[object] = []
    measuring = Measurements(
        Mock(),
        Mock(),
        Mock(),
        SimpleNamespace(read_peers=lambda *_: answers.pop(0)),
        Mock(now=lambda: 0.0),
        MonitorSettings(),
        Mock(),
        observations.append,
    )
    measuring._tell_peers()
    measuring._tell_peers()
    measuring.stop()
    assert observations == [ConnectionPeers(container_id="web", clients=("10.0.0.2",))]


@pytest.mark.parametrize("submit", ["_measure_disks.submit", "_submit_probes"])
def test_hanging_measurement_does_not_keep_the_process_alive(submit):
    script = f"{HANGING_MEASUREMENTS}\nmeasurements.{submit}()\nassert begun.wait(10)\nmeasurements.stop()\n"
    ended = subprocess.run([sys.executable, "-c", script], timeout=20, check=False)
    assert ended.returncode == 0
