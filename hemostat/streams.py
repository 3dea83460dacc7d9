"""The data flow: which role reads and which role writes each stream, and which events belong in it.

Each user of Redis may write only the streams and channels of its role. The type and the source inside an
event are the sender's choice, so readers accept only events that belong where they arrived.
"""

from typing import Final, NamedTuple


class Role(NamedTuple):
    name: str
    command: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    description: str
    per_host: bool = False
    """Whether the role works for one host, with its own consumer group: it uses the engine of that host."""
    shows: tuple[str, ...] = ("heartbeat",)
    """Types that it publishes for screens only."""
    defers: bool = False
    """Whether it defers entries, which return to the stream when they are due."""

    def make_group_name(self, host: str) -> str:
        """Return the consumer group of this role on `host`."""
        return f"{self.name}:{host}" if self.per_host else self.name


PEOPLE_EVENTS: Final = ("order", "decision")
"""Types that operators publish, by the command line or the dashboard, and no role does."""

PEOPLE: Final = "people"
"""Takes the place of the role in the source of these events."""

ROLES: Final = (
    Role(
        "monitor",
        "monitor",
        (),
        ("health_alert",),
        "Watch containers and raise alerts.",
        per_host=True,
        shows=("container_stats", "heartbeat"),
    ),
    Role(
        "analyzer",
        "analyze",
        ("health_alert", "remediation_complete"),
        ("remediation_needed", "false_alarm"),
        "Diagnose alerts and filter false alarms.",
    ),
    Role(
        "responder",
        "respond",
        ("remediation_needed", "order"),
        ("remediation_complete",),
        "Run actions on containers, subject to policy.",
        per_host=True,
        defers=True,
    ),
    Role(
        "alert",
        "alert",
        ("health_alert", "remediation_needed", "false_alarm", "remediation_complete", *PEOPLE_EVENTS),
        (),
        "Send notifications and store every event.",
    ),
)

ROLES_BY_NAME: Final = {role.name: role for role in ROLES}

STORE_ROLE: Final = ROLES_BY_NAME["alert"]._replace(name="store", description="Store every event.")
"""The alert role's second loop, with a consumer group of its own: a database that is down must not delay
notifications."""

WRITERS: Final = {
    name: frozenset(each.name for each in ROLES if name in (*each.writes, *each.shows))
    for role in ROLES
    for name in (*role.writes, *role.shows)
} | dict.fromkeys(PEOPLE_EVENTS, frozenset({PEOPLE}))
"""Who writes the events of each stream and channel, as before the @ of their source."""
MAX_QUOTED_CHARACTERS: Final = 40


def find_mismatch(stream: str, event_type: str, source: str) -> str:
    """Return why an event of this type and source does not belong in this stream or on this channel; empty if
    the event does."""
    if event_type != stream:
        return f"an event of type {event_type} does not belong in {stream}"
    writer = source.partition("@")[0]
    if writer not in WRITERS[stream]:
        return f"{writer[:MAX_QUOTED_CHARACTERS]!r} does not write {stream}"
    return ""
