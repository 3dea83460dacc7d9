"""Causes faults in real containers, and checks with the engine that they heal: `hemostat demo`.

A name of this package is imported when first used: shell completion needs only the scenarios.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hemostat.demo.player import play
    from hemostat.demo.report import DemoReport, DemoStep
    from hemostat.demo.scenarios import SCENARIOS, Scenario
    from hemostat.demo.stage import (
        DemoStage,
        UnseenError,
        is_selected,
        make_labels,
        open_own_stage,
        open_running_stage,
        open_simulated_stage,
    )

__all__ = [
    "SCENARIOS",
    "DemoReport",
    "DemoStage",
    "DemoStep",
    "Scenario",
    "UnseenError",
    "is_selected",
    "make_labels",
    "open_own_stage",
    "open_running_stage",
    "open_simulated_stage",
    "play",
]

_MODULES: Final = {
    "DemoReport": "report",
    "DemoStage": "stage",
    "DemoStep": "report",
    "SCENARIOS": "scenarios",
    "Scenario": "scenarios",
    "UnseenError": "stage",
    "is_selected": "stage",
    "make_labels": "stage",
    "open_own_stage": "stage",
    "open_running_stage": "stage",
    "open_simulated_stage": "stage",
    "play": "player",
}
"""The module of each name. No module has the name of one of these: importing it would hide the other."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
