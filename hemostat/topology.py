"""The flow as data: which role reads and which writes each stream."""

from typing import Final, NamedTuple


class Role(NamedTuple):
    name: str
    command: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    does: str


ROLES: Final = (
    Role("monitor", "monitor", (), ("health_alert",), "Watch containers, raise alerts."),
    Role(
        "analyzer",
        "analyze",
        ("health_alert",),
        ("remediation_needed", "false_alarm"),
        "Diagnose alerts, tell real issues from false alarms.",
    ),
    Role(
        "responder",
        "respond",
        ("remediation_needed",),
        ("remediation_complete",),
        "Act on diagnoses, within the safety limits.",
    ),
    Role(
        "alert",
        "alert",
        ("health_alert", "remediation_needed", "false_alarm", "remediation_complete"),
        (),
        "Tell people, store every event.",
    ),
)

BY_NAME: Final = {role.name: role for role in ROLES}
