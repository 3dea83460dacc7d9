"""Checks for `hemostat doctor` that the running roles agree on the names of hosts."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from hemostat.cli.doctor.findings import CheckResult, Level, find_worst
from hemostat.core.text import list_names
from hemostat.events import ContainerStats, Event, Heartbeat
from hemostat.heartbeat import HEARTBEAT_SECONDS

MAX_SHARED: Final = 3
"""Groups of hosts with the same containers that are listed."""
CONTAINER_ID: Final = re.compile(r"[0-9a-f]{12}")


def judge_names(
    beats: Sequence[Event], own: str, stats: Iterable[Event] = (), *, engines: Sequence[str] = ()
) -> CheckResult:
    """Whether the running roles agree on the host, and each host is one machine. `engines`: the names in the
    table `engines`, in place of `own`."""
    facts = [(event, event.data) for event in beats if isinstance(event.data, Heartbeat)]
    latest = max((event.time for event, _ in facts), default=0.0)
    fresh = [(event.host, beat) for event, beat in facts if latest - event.time < 2 * HEARTBEAT_SECONDS]
    results = [*_find_duplicates(fresh), *_find_separated(fresh), *_find_shared(stats)]
    if engines:
        return find_worst(results, f"the hosts of the engines are {list_names(engines)}")
    if CONTAINER_ID.fullmatch(own):
        problem = f"this host's name {own} is a container id, which changes when the container is recreated"
        results.append(CheckResult(Level.WARNING, problem, "set `host` to a name that does not change"))
    return find_worst(results, f"this host is {own}")


def _find_duplicates(beats: Sequence[tuple[str, Heartbeat]]) -> list[CheckResult]:
    results = []
    for host in sorted({host for host, _ in beats}):
        several = sorted({beat.instance for name, beat in beats if name == host and beat.role == "monitor"})
        if len(several) > 1:
            problem = f"{len(several)} monitors report for the host {host}: {', '.join(several)}"
            hint = "give each machine its own `host`, or stop all but one"
            results.append(CheckResult(Level.WARNING, problem, hint))
    return results


def _find_shared(stats: Iterable[Event]) -> list[CheckResult]:
    """Hosts that report the same containers: one engine with two names, for which two responders act."""
    hosts: dict[str, set[str]] = {}
    for event in stats:
        if isinstance(event.data, ContainerStats):
            hosts.setdefault(event.data.container.id, set()).add(event.host)
    shared = sorted({tuple(sorted(names)) for names in hosts.values() if len(names) > 1})
    hint = "if they are one engine, watch it under one name: each of them acts on its containers"
    return [
        CheckResult(Level.WARNING, f"{list_names(names)} report the same containers", hint)
        for names in shared[:MAX_SHARED]
    ]


def _find_separated(beats: Sequence[tuple[str, Heartbeat]]) -> list[CheckResult]:
    """Monitors and responders under different host names: a responder acts only on its own host."""
    hosts = {role: {host for host, beat in beats if beat.role == role} for role in ("monitor", "responder")}
    watched, acted = hosts["monitor"] - hosts["responder"], hosts["responder"] - hosts["monitor"]
    if not (watched and acted):
        return []
    names = [", ".join(sorted(each)) for each in (watched, acted)]
    problem = f"a monitor reports for {names[0]}, but a responder runs for {names[1]}"
    return [CheckResult(Level.WARNING, problem, "set the same `host` for both: until then no action runs")]
