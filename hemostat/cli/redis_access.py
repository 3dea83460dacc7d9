"""Checks for `hemostat doctor` who can reach Redis: a user with write access there can give orders."""

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from hemostat.cli.findings import CheckResult, Level, find_worst
from hemostat.cli.machine import Machine

if TYPE_CHECKING:
    from hemostat.adapters.redis.reach import Reach

FIRST_PERSON_UID: Final = 1000
"""The lowest number of a user who is a person; system accounts such as `redis` are below."""
SAFE_HINT: Final = (
    "give its users passwords (hemostat redis-acl), or take a unix socket of HemoStat's own user"
)


def check_redis_access(machine: Machine) -> CheckResult:
    from hemostat.adapters.redis.reach import read_reach

    machine.bus()
    reach = read_reach(machine.redis())
    return find_worst(judge_access(reach, os.geteuid()), describe_access(reach))


def judge_access(reach: "Reach", own_uid: int) -> list[CheckResult]:
    """Who besides HemoStat's user can read and write there."""
    from hemostat.adapters.redis.reach import name_user

    warnings = []
    if reach.is_open and reach.addresses != ():
        warnings.append(
            CheckResult(
                Level.WARNING, f"{_describe_readers(reach.addresses)} can give orders: no password", SAFE_HINT
            )
        )
    if reach.is_open and (reach.socket_mode or 0) & 0o002:
        message = (
            f"every local user can give orders: its socket has mode {reach.socket_mode:04o}, no password"
        )
        warnings.append(CheckResult(Level.WARNING, message, SAFE_HINT))
    if reach.open_directory:
        message = f"every local user can put a socket in its place in {reach.open_directory} while it is away"
        warnings.append(
            CheckResult(Level.WARNING, message, "let it make its socket in a directory of its user alone")
        )
    if reach.uid is not None and reach.uid != own_uid and reach.uid >= FIRST_PERSON_UID:
        hint = "is it yours? Whoever runs Redis can give orders"
        warnings.append(CheckResult(Level.WARNING, f"{name_user(reach.uid)} runs it", hint))
    if reach.addresses and not reach.is_encrypted and not _is_local(reach.addresses):
        message = f"it listens without TLS on {', '.join(reach.addresses)}: passwords can be read on the way"
        warnings.append(CheckResult(Level.WARNING, message, "set tls-port and write rediss://"))
    return warnings


def describe_access(reach: "Reach") -> str:
    from hemostat.adapters.redis.reach import name_user

    whom = f"run by {name_user(reach.uid)}" if reach.uid is not None else "on another machine"
    if reach.addresses == ():
        return f"by its socket alone, {whom}"
    words = {True: "no password", False: "by password alone", None: "whether without password: not known"}
    return f"{words[reach.is_open]}, {whom}"


def _describe_readers(addresses: tuple[str, ...] | None) -> str:
    if addresses is None:
        return "whoever reaches it"
    if _is_local(addresses):
        return "every local user"
    return f"every local user, and whoever reaches {', '.join(addresses)},"


def _is_local(addresses: tuple[str, ...]) -> bool:
    return all(_is_loopback(each) for each in addresses)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
