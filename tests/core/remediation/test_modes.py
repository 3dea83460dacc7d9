"""The modes of a responder at one moment, for its heartbeat."""

import pytest

from hemostat.core.remediation.modes import find_current_modes
from hemostat.core.remediation.windows import NO_WINDOWS, OpenWindow, WindowState
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action


def window(mode: str, *projects: str) -> OpenWindow:
    return OpenWindow(label="backup", mode=mode, end="04:30 CET", projects=projects)


def test_only_stricter_modes_are_listed():
    limits = ResponderSettings(
        mode="approve",
        modes={Action.CLEANUP: "dry-run", Action.RESTART: "auto"},
        project_modes={"shop": "dry-run", "lab": "approve"},
    )
    modes = find_current_modes(limits, NO_WINDOWS)
    assert (modes.mode, modes.stricter) == ("approve", {"cleanup": "dry-run", "project shop": "dry-run"})
    assert find_current_modes(ResponderSettings(), NO_WINDOWS).stricter == {}


@pytest.mark.parametrize(
    ("windows", "mode", "stricter"),
    [
        ([window("dry-run")], "dry-run", {}),
        ([window("approve"), window("off")], "off", {}),
        ([window("off", "shop")], "auto", {"project shop": "off"}),
        ([window("approve", "shop"), window("dry-run")], "dry-run", {}),
    ],
)
def test_open_windows_make_modes_stricter(windows, mode, stricter):
    modes = find_current_modes(ResponderSettings(), WindowState(opened=tuple(windows), changed=1.0))
    assert (modes.mode, modes.stricter, modes.since) == (mode, stricter, 1.0)
    assert modes.windows == tuple(map(str, windows))
