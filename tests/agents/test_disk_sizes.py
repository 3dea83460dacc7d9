"""Sizes of a container's writable layer and log, as they are measured one by one."""

from types import SimpleNamespace

import pytest

from hemostat.agents.monitor.disk_measurements import DiskMeasurements
from hemostat.core.model import ContainerInfo, DiskUse
from hemostat.errors import EngineError, EngineTimeoutError
from hemostat.events import Container


class Scene:
    """`error` is raised by measurements of the writable layer."""

    def __init__(self) -> None:
        self.uses: list[DiskUse] = []
        self.logs: list[str] = []
        self.brief: list[bool] = []
        self.error: EngineError | None = None
        self.disks = DiskMeasurements(
            SimpleNamespace(attempt=lambda _ref, _doing, call: call()),
            SimpleNamespace(writable_size=self._measure),
            SimpleNamespace(measure_file=lambda path: self.logs.append(path) or 7),
            self.uses.append,
        )

    def _measure(self, _: str, *, brief: bool) -> int:
        self.brief.append(brief)
        if self.error is not None:
            raise self.error
        return 5

    def measure(self, log_path: str = "") -> DiskUse:
        info = ContainerInfo(ref=Container(id="w", name="web"), status="running", log_path=log_path)
        self.disks._measure(info)
        return self.uses[-1]


def test_log_is_measured_only_where_its_path_is_known():
    scene = Scene()
    assert scene.measure() == DiskUse("w", 5, None)
    assert scene.measure("/var/log/x") == DiskUse("w", 5, 7)
    assert scene.logs == ["/var/log/x"]


@pytest.mark.parametrize(
    ("error", "brief"), [(EngineError("broken"), True), (EngineTimeoutError("took too long"), False)]
)
def test_only_a_measurement_that_took_too_long_gets_more_time(error, brief):
    scene = Scene()
    scene.error = error
    assert scene.measure("/x") == DiskUse("w", None, 7)
    scene.error = None
    assert scene.measure().size == 5
    assert scene.measure().size == 5
    assert scene.brief == [True, brief, True]
