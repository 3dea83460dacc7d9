"""Labels with mistakes on containers that then crash: a label that was meant to protect a container does
so."""

from collections.abc import Mapping
from typing import Final

from hemostat.core.diagnosis.causes import Cause
from hemostat.events import Kind, Outcome
from tests.e2e.scenarios.lab import Lab
from tests.e2e.scenarios.mains import on_go
from tests.e2e.scenarios.model import RESTARTED, STOPPED, Box, Expected, Facts, Scenario

K10: Final = "K10"


def _crash_all(lab: Lab) -> None:
    for box in lab.boxes():
        lab.touch(box)


def _boxes(labels: Mapping[str, tuple[str, str]]) -> tuple[Box, ...]:
    """Return boxes by name, each with one label and its value. Each crashes when its file is created."""
    return tuple(
        Box(name=name, main=on_go("exit 7"), labels={label: value}) for name, (label, value) in labels.items()
    )


def _crashes(labels: Mapping[str, tuple[str, str]], outcome: Outcome | None) -> tuple[Expected, ...]:
    """Return the expected crashes. `outcome` is that of the restart; None: healed."""
    return tuple(
        Expected(kind=Kind.EXITED, on=name, outcome=outcome, causes=(Cause.CRASH,), right=("restart", "none"))
        for name in labels
    )


def _scenario(
    name: str,
    about: str,
    labels: Mapping[str, tuple[str, str]],
    facts: Facts = STOPPED,
    outcome: Outcome | None = Outcome.REFUSED,
) -> Scenario:
    return Scenario(
        name=name,
        about=about,
        kind=K10,
        trap=facts is STOPPED,
        boxes=_boxes(labels),
        happens=_crash_all,
        expected=_crashes(labels, outcome),
        facts=dict.fromkeys(labels, facts),
        watch=3,
    )


PROTECT: Final = {
    "name": ("hemostat.protected", "true"),
    "letter": ("hemostat.protect", "y"),
    "blank": ("hemostat.protect", " true"),
    "nothing": ("hemostat.protect", ""),
    "underline": ("hemostat_protect", "true"),
    "digits": ("hemostat.protect", "9" * 5000),
}
OPT_OUT: Final = {
    "letter": ("hemostat.enable", "n"),
    "word": ("hemostat.enable", "disabled"),
    "letters": ("hemostat.enabel", "false"),
    "capitals": ("Hemostat.Enable", "false"),
    "domain": ("io.hemostat.enable", "false"),
    "autoheal": ("autoheal", "nope"),
}
TUNING: Final = {
    "window": ("hemostat.windw", "1m"),
    "cpu": ("hemostat.cpu", "lots"),
    "probe": ("hemostat.probe", "http://app:8080/"),
    "actions": ("hemostat.actions", "restart,reboot"),
    "size": ("hemostat.disk", "9" * 400),
    "stop": ("hemostat.stop_timeout", "3650d"),
}
MODE: Final = {"mode": ("hemostat.mode", "dryrun")}
OTHERS: Final = {
    "router": ("traefik.http.routers.hemostat.rule", "Host(`a`)"),
    "hospital": ("hemo.log", "true"),
    "healer": ("autoheal.monitor.enable", "false"),
    "spelt": ("hemostat.enable", " TRUE "),
}

SCENARIOS: Final = (
    _scenario(
        "label-protect-mistakes",
        "six containers whose labels were meant to protect, with mistakes in name or value, crash",
        PROTECT,
    ),
    _scenario(
        "label-enable-mistakes",
        "six containers whose labels were meant to opt out, with mistakes in name or value, crash",
        OPT_OUT,
    ),
    _scenario(
        "label-tuning-mistakes",
        "six containers with an unknown label, or a value that cannot be read or is out of range, crash",
        TUNING,
    ),
    _scenario(
        "label-mode-mistake",
        "a container whose mode label cannot be read crashes: a person is asked",
        MODE,
        outcome=Outcome.AWAITING_APPROVAL,
    ),
    _scenario(
        "label-others",
        "four containers with readable labels, and with labels of other software, crash: started again",
        OTHERS,
        facts=RESTARTED,
        outcome=None,
    ),
)
