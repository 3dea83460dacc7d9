"""A user who reads a stream in a group moves the positions of other groups, which then receive nothing."""

import pytest
import redis

from hemostat.adapters.redis.acl import get_user_name
from hemostat.streams import ROLES, ROLES_BY_NAME
from tests.redteam.site import ALERT, ANALYZER, HOST, OTHER, Site, is_healed
from tests.support.engine_fixtures import eventually
from tests.support.guarded_redis import ADMIN, Guarded

pytestmark = pytest.mark.redis
STRANGE_RESPONDER = get_user_name(ROLES_BY_NAME["responder"], OTHER)
LAST_ID = f"{2**64 - 1}-{2**64 - 1}"


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        (ALERT, "health_alert"),
        (ALERT, "remediation_needed"),
        (STRANGE_RESPONDER, "remediation_needed"),
        (ANALYZER, "remediation_complete"),
    ],
)
@pytest.mark.parametrize("position", [LAST_ID, "9999999999999-0"])
def test_group_whose_position_was_moved_receives_its_entries(
    site: Site, server: Guarded, name: str, stream: str, position: str
) -> None:
    groups = [role.make_group_name(HOST) for role in ROLES if stream in role.reads]
    for group in groups:
        command = ("XCLAIM", f"hemostat:{stream}", group, "x", "0", "0-1", "LASTID", position)
        eventually(lambda command=command: _run(server, name, *command))
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site), seconds=10)

    def has_no_lag(group: str) -> bool:
        found = server.client(ADMIN).raw.xinfo_groups(f"hemostat:{stream}")
        return [(each["lag"], each["pending"]) for each in found if each["name"] == group.encode()] == [
            (0, 0)
        ]

    for group in groups:
        eventually(lambda group=group: has_no_lag(group), seconds=10)


def _run(server: Guarded, name: str, *command: str) -> bool:
    """Return whether the command ran: the group may still be missing."""
    try:
        server.client(name).raw.execute_command(*command)
    except redis.ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("count", [2**63 - 1, 2**63 - 2])
@pytest.mark.parametrize("consumer", ["i", "x"])
def test_any_number_of_deliveries_ends_no_role(
    site: Site, server: Guarded, consumer: str, count: int
) -> None:
    raw = server.client(ADMIN).raw
    name = raw.xadd("hemostat:remediation_needed", {"event": "x"})
    group = f"responder:{HOST}"
    options = ("FORCE", "IDLE", "100000", "RETRYCOUNT", str(count))
    command = ("XCLAIM", "hemostat:remediation_needed", group, consumer, "0", name, *options)
    eventually(lambda: _run(server, STRANGE_RESPONDER, *command))
    site.engine.crash("web", 7)
    eventually(lambda: is_healed(site), seconds=15)
    eventually(lambda: not raw.xpending("hemostat:remediation_needed", group)["pending"], seconds=40)
