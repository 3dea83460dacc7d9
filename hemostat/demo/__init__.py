"""Causes faults in real containers, and checks with the engine that they heal: `hemostat demo`."""

from hemostat.demo.play import play
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
