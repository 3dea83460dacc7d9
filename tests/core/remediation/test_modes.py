"""The modes of a responder that are stricter than its general one."""

from hemostat.core.remediation.modes import list_stricter_modes
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action


def test_only_stricter_modes_are_listed():
    limits = ResponderSettings(
        mode="approve",
        modes={Action.CLEANUP: "dry-run", Action.RESTART: "auto"},
        project_modes={"shop": "dry-run", "lab": "approve"},
    )
    assert list_stricter_modes(limits) == {"cleanup": "dry-run", "project shop": "dry-run"}
    assert list_stricter_modes(ResponderSettings()) == {}
