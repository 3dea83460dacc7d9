"""A measurement of disk use that hangs delays the others little."""

import threading
from types import SimpleNamespace
from unittest.mock import Mock

from hemostat.agents.monitor.disk_measurements import MAX_THREADS, DiskMeasurements
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineTimeoutError
from hemostat.events import Container
from tests.support.engine_fixtures import eventually

TENANTS = [f"t{number}" for number in range(20)]


class Scene:
    """20 containers whose measurement hangs, and one whose measurement does not."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.measured: list[str] = []
        self.brief_calls: list[tuple[str, bool]] = []
        infos = [
            ContainerInfo(ref=Container(id=name, name=name), status="running") for name in (*TENANTS, "web")
        ]
        self.disks = DiskMeasurements(
            SimpleNamespace(list_disk_measured=lambda: infos, attempt=lambda _ref, _doing, call: call()),
            SimpleNamespace(writable_size=self._measure),
            Mock(),
            lambda use: self.measured.append(use.container_id),
        )

    def _measure(self, container: str, *, brief: bool) -> int:
        self.brief_calls.append((container, brief))
        if container != "web":
            if not brief:
                self.go.wait(30)
            raise EngineTimeoutError("size: took too long")
        return 1


def test_hanging_disk_measurement_delays_no_other():
    scene = Scene()
    try:
        scene.disks.submit()
        eventually(lambda: len(scene.measured) == len(TENANTS) + 1)
        for round_ in range(2, 5):
            scene.disks.submit()
            eventually(lambda count=round_: scene.measured.count("web") == count)
        full_calls = [name for name, brief in scene.brief_calls if not brief]
        assert len(full_calls) == 1, "one thread waits for those that took too long"
        assert MAX_THREADS > 1
    finally:
        scene.go.set()
        scene.disks.stop()
