"""Checks of the Docker Engine for `hemostat doctor`."""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from hemostat.cli.findings import CheckResult, Level
from hemostat.cli.machine import Machine

if TYPE_CHECKING:
    from hemostat.core.model import ContainerInfo

OLDEST_API: Final = (1, 41)
"""Of Docker 20.10."""
MAX_SKEW_SECONDS: Final = 2.0
"""Seconds that two clocks may differ."""
POST_ENDPOINT_COUNT: Final = 5
"""How many ways of acting on a container are tried."""
HEALER_PATTERN: Final = re.compile(
    r"(^|/)((docker-)?autoheal|watchtower|shepherd|ouroboros|monit|diun|docker-restarter|ofelia)(:|@|$)"
)
"""Images that restart or replace containers by themselves."""


def check_engine(machine: Machine) -> CheckResult:
    found = machine.engine().version()
    told = f"Docker Engine {found.version}, API {found.api}, cgroup v{found.cgroup_version}"
    if found.forbidden:
        told += "; memory, CPUs and clock of its host are not told"
    if tuple(map(int, found.api.split("."))) < OLDEST_API:
        return CheckResult(Level.FAILURE, f"{told} is too old", "install Docker Engine 20.10 or newer")
    return CheckResult(Level.OK, told)


def check_engine_access(machine: Machine) -> CheckResult:
    """Whether a socket proxy lets through what HemoStat asks, and what it does to containers."""
    forbidden = machine.engine().forbidden()
    if not forbidden:
        return CheckResult(Level.OK, "nothing that HemoStat needs is forbidden")
    writes = all(each.startswith("POST ") for each in forbidden)
    harmless = writes and machine.settings.responder.mode == "dry-run"
    told = f"the proxy or plugin in front of it forbids {', '.join(forbidden)}"
    if len([each for each in forbidden if each.startswith("POST ")]) == POST_ENDPOINT_COUNT:
        told += ": no container can be acted on"
    hint = "allow them; in docker-socket-proxy: " + ", ".join(_make_proxy_settings(forbidden))
    return CheckResult(Level.WARNING if harmless else Level.FAILURE, told, hint)


def _make_proxy_settings(endpoints: Iterable[str]) -> list[str]:
    paths = [each.partition(" ")[2].split("/")[1].upper() for each in endpoints]
    posts = ["POST"] if any(each.startswith("POST ") for each in endpoints) else []
    return [f"{name}=1" for name in dict.fromkeys([*paths, *posts])]


def check_healers(machine: Machine) -> CheckResult:
    return judge_healers(machine.engine().containers())


def check_cgroups(machine: Machine) -> CheckResult:
    from hemostat.adapters.sampling.cgroups import CgroupSampler

    running = [info for info in machine.engine().containers() if info.running]
    if not running:
        return CheckResult(Level.OK, "no container is running to try it on")
    sampler = CgroupSampler()
    readable = sum(sampler.usable(info) for info in running)
    told = f"cgroup files of {readable} of {len(running)} running containers can be read"
    if readable == len(running):
        return CheckResult(Level.OK, told)
    hint = "the stats API does for the others, slower; run HemoStat on the engine's own host"
    return CheckResult(Level.WARNING, told, hint)


def check_clock(machine: Machine) -> CheckResult:
    before = time.time()
    told = machine.engine().version().time
    if not told:
        return CheckResult(Level.WARNING, "the engine does not tell its time")
    off = max(before - told, told - time.time(), 0.0)
    if off > MAX_SKEW_SECONDS:
        return CheckResult(
            Level.FAILURE, f"{off:.1f} s apart from the engine's", "synchronise both clocks, as with NTP"
        )
    return CheckResult(Level.OK, f"within {MAX_SKEW_SECONDS:g} s of the engine's")


def judge_healers(containers: Iterable["ContainerInfo"]) -> CheckResult:
    running = [info.ref for info in containers if info.running]
    healers = sorted(ref.name for ref in running if HEALER_PATTERN.search(ref.image))
    if not healers:
        return CheckResult(Level.OK, f"none among {len(running)} running containers, by their images")
    hint = "two that act on one container undo each other's work: stop one, or bound each by labels"
    return CheckResult(Level.WARNING, f"beside HemoStat: {', '.join(healers)}", hint)
