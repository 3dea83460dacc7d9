"""Checks for `hemostat doctor` that the running roles agree on the names of hosts."""

import re
from collections.abc import Sequence
from typing import Final

from hemostat.cli.findings import CheckResult, Level, find_worst
from hemostat.events import Event, Heartbeat
from hemostat.heartbeat import HEARTBEAT_SECONDS

CONTAINER_ID: Final = re.compile(r"[0-9a-f]{12}")


def judge_names(beats: Sequence[Event], own: str) -> CheckResult:
    """Whether the roles that live agree on the host, and each host has one machine."""
    facts = [(event, event.data) for event in beats if isinstance(event.data, Heartbeat)]
    latest = max((event.time for event, _ in facts), default=0.0)
    fresh = [(event.host, beat) for event, beat in facts if latest - event.time < 2 * HEARTBEAT_SECONDS]
    found = [*_find_duplicates(fresh), *_find_separated(fresh)]
    if CONTAINER_ID.fullmatch(own):
        told = f"this host's name {own} is the id of a container, and changes with it"
        found.append(CheckResult(Level.WARNING, told, "set host, the same on every start"))
    return find_worst(found, f"this host is {own}")


def _find_duplicates(beats: Sequence[tuple[str, Heartbeat]]) -> list[CheckResult]:
    found = []
    for host in sorted({host for host, _ in beats}):
        several = sorted({beat.instance for name, beat in beats if name == host and beat.role == "monitor"})
        if len(several) > 1:
            told = f"{len(several)} monitors speak for the host {host}: {', '.join(several)}"
            hint = "give each machine a host of its own, or stop one of them"
            found.append(CheckResult(Level.WARNING, told, hint))
    return found


def _find_separated(beats: Sequence[tuple[str, Heartbeat]]) -> list[CheckResult]:
    """Monitors and responders under different host names: a responder acts only on its own host."""
    hosts = {role: {host for host, beat in beats if beat.role == role} for role in ("monitor", "responder")}
    watched, acted = hosts["monitor"] - hosts["responder"], hosts["responder"] - hosts["monitor"]
    if not (watched and acted):
        return []
    told = f"a monitor speaks for {', '.join(sorted(watched))}, a responder for {', '.join(sorted(acted))}"
    return [CheckResult(Level.WARNING, told, "set the same host for both: nothing is acted on now")]
