"""The flow as data: which role reads and which writes each stream."""

from typing import Final, NamedTuple


class Role(NamedTuple):
    name: str
    command: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    does: str
    per_host: bool = False
    """Whether every host has its own group of readers: the engine of another host cannot be reached."""
    shows: tuple[str, ...] = ("heartbeat",)
    """What it says to screens alone."""
    defers: bool = False
    """Whether it puts off what it reads, and back on the stream when it is due."""

    def group(self, host: str) -> str:
        """The consumer group that one of this role on `host` reads with."""
        return f"{self.name}:{host}" if self.per_host else self.name


PEOPLE_EVENTS: Final = ("order", "decision")
"""What people write, by the command line or the dashboard, and no role does."""

ROLES: Final = (
    Role(
        "monitor",
        "monitor",
        (),
        ("health_alert",),
        "Watch containers, raise alerts.",
        shows=("container_stats", "heartbeat"),
    ),
    Role(
        "analyzer",
        "analyze",
        ("health_alert", "remediation_complete"),
        ("remediation_needed", "false_alarm"),
        "Diagnose alerts, tell real issues from false alarms.",
    ),
    Role(
        "responder",
        "respond",
        ("remediation_needed", "order"),
        ("remediation_complete",),
        "Act on diagnoses and orders, within the safety limits.",
        per_host=True,
        defers=True,
    ),
    Role(
        "alert",
        "alert",
        ("health_alert", "remediation_needed", "false_alarm", "remediation_complete", *PEOPLE_EVENTS),
        (),
        "Tell people, store every event.",
    ),
)

ROLES_BY_NAME: Final = {role.name: role for role in ROLES}

STORE_ROLE: Final = ROLES_BY_NAME["alert"]._replace(name="store", does="Store every event.")
"""The alert role's second loop, with a group of its own: a database that is away keeps nobody untold."""
