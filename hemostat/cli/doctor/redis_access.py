"""Checks for `hemostat doctor` who can reach Redis: a user with write access there can give orders."""

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from hemostat.cli.doctor.findings import CheckResult, Level, find_worst
from hemostat.cli.doctor.machine import Machine

if TYPE_CHECKING:
    from hemostat.adapters.redis.reach import Reach

FIRST_PERSON_UID: Final = 1000
"""The lowest user id of a person. System accounts such as `redis` have lower ones."""
SAFE_HINT: Final = (
    "set passwords for its users (hemostat redis-acl), or use a unix socket that HemoStat's user owns"
)


def check_redis_access(machine: Machine) -> CheckResult:
    from hemostat.adapters.redis.reach import read_reach

    machine.bus()
    reach = read_reach(machine.redis())
    return find_worst(judge_access(reach, os.geteuid()), describe_access(reach))


def judge_access(reach: "Reach", own_uid: int) -> list[CheckResult]:
    """Warnings about users other than HemoStat's with access to Redis."""
    from hemostat.adapters.redis.reach import name_user

    warnings = []
    if reach.is_open and reach.addresses != ():
        warnings.append(
            CheckResult(
                Level.WARNING,
                f"{_describe_readers(reach.addresses)} can publish orders: no password is set",
                SAFE_HINT,
            )
        )
    if reach.is_open and (reach.socket_mode or 0) & 0o002:
        message = f"every local user can publish orders: no password, socket mode {reach.socket_mode:04o}"
        warnings.append(CheckResult(Level.WARNING, message, SAFE_HINT))
    if reach.open_directory:
        message = f"while Redis is stopped, every local user can replace its socket in {reach.open_directory}"
        warnings.append(
            CheckResult(
                Level.WARNING, message, "move its socket to a directory that only its user can write to"
            )
        )
    if reach.uid is not None and reach.uid != own_uid and reach.uid >= FIRST_PERSON_UID:
        hint = "check that you trust this user: the user that runs Redis can publish orders"
        warnings.append(CheckResult(Level.WARNING, f"{name_user(reach.uid)} runs it", hint))
    if reach.addresses and not reach.is_encrypted and not _is_local(reach.addresses):
        message = f"it listens without TLS on {', '.join(reach.addresses)}: passwords are not encrypted"
        warnings.append(CheckResult(Level.WARNING, message, "set tls-port and use rediss://"))
    return warnings


def describe_access(reach: "Reach") -> str:
    from hemostat.adapters.redis.reach import name_user

    whom = f"run by {name_user(reach.uid)}" if reach.uid is not None else "on another machine"
    if reach.addresses == ():
        return f"by its socket only, {whom}"
    words = {True: "no password", False: "by password only", None: "unknown whether a password is set"}
    return f"{words[reach.is_open]}, {whom}"


def _describe_readers(addresses: tuple[str, ...] | None) -> str:
    if addresses is None:
        return "every machine that can connect"
    if _is_local(addresses):
        return "every local user"
    return f"every local user, and every machine that can connect to {', '.join(addresses)},"


def _is_local(addresses: tuple[str, ...]) -> bool:
    return all(_is_loopback(each) for each in addresses)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
