"""Checks of the Docker Engine for `hemostat doctor`."""

import socket
import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from hemostat.cli.doctor.findings import CheckResult, Level
from hemostat.cli.doctor.machine import Machine
from hemostat.core.labels.values import Mode
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.setup.healers import find_conflict
from hemostat.core.text import list_names
from hemostat.events import Action
from hemostat.ports import engine_access
from hemostat.ports.engine_access import ENGINE_USES, EngineUse, make_proxy_settings

if TYPE_CHECKING:
    from hemostat.core.model import ContainerInfo
    from hemostat.ports import EngineVersion

OLDEST_API: Final = (1, 41)
"""The API version of Docker 20.10."""
MAX_SKEW_SECONDS: Final = 2.0
"""Seconds by which two clocks may differ."""
NO_CGROUPS_TEXT: Final = (
    "the engine gives its containers no cgroups: their CPU and memory are not measured, "
    "limits do not apply, and they cannot be paused"
)
NO_CGROUPS_HINT: Final = "boot the engine's host with cgroup v2, and run the engine under systemd"
CONTROLLERS_HINT: Final = "boot the engine's host with these cgroup controllers: cgroup_enable= of its kernel"
NO_COUNTERS_TEXT: Final = "high CPU is reported, and a runaway loop is not restarted"
NO_COUNTERS_HINT: Final = (
    "run HemoStat as root with CAP_SYS_PTRACE, or label containers that a restart helps "
    "hemostat.cpu.action=restart"
)
DELEGATION_HINT: Final = "let systemd delegate the controllers to the user: Delegate= of user@.service"


def check_engine(machine: Machine) -> CheckResult:
    version = machine.engine().version()
    product = ("rootless " if version.rootless else "") + ("Podman" if version.is_podman else "Docker Engine")
    summary = f"{product} {version.version}, API {version.api}, cgroup v{version.cgroup_version}"
    summary += f"; {_describe_location(version)}"
    if version.forbidden:
        summary += "; it does not report memory, CPUs and clock of its host"
    if tuple(map(int, version.api.split("."))) < OLDEST_API:
        return CheckResult(Level.FAILURE, f"{summary} is too old", "install Docker Engine 20.10 or newer")
    if version.risk:
        hint = "use TLS with engine.ca_file, or ssh://: who controls the engine controls its host"
        return CheckResult(Level.WARNING, f"{summary}; {version.risk}", hint)
    own = machine.settings.host_name
    if version.local is False and not machine.settings.host and own == socket.gethostname():
        hint = "set host to the name of the engine's host"
        return CheckResult(Level.WARNING, f"{summary}; events name this machine {own} as its host", hint)
    return CheckResult(Level.OK, summary)


def _describe_location(version: "EngineVersion") -> str:
    place = {
        True: "on this machine",
        False: "remote",
        None: "on this machine or remote: no running container shows which",
    }
    name = f"engine {version.name}" if version.name else "engine"
    return f"{name} at {version.address}, {place[version.local]}"


def check_engine_access(machine: Machine) -> CheckResult:
    """Whether a socket proxy allows the requests of all roles, and what does not work if not."""
    engine = machine.engine()
    uses = list_uses(machine.settings.responder, is_podman=engine.version().is_podman)
    forbidden = engine.find_forbidden([endpoint for use in uses for endpoint in use.endpoints])
    return judge_access(uses, forbidden, machine.settings.responder.mode)


def list_uses(limits: ResponderSettings, *, is_podman: bool) -> list[EngineUse]:
    """The uses that the roles have with these settings at this engine."""
    unused: set[EngineUse] = set()
    if not limits.cleanup_host:
        unused.add(engine_access.CLEANUP)
    if Action.SCALE not in limits.actions:
        unused |= {engine_access.COMPOSE_REPLICAS, engine_access.SWARM_REPLICAS}
    return [use for use in ENGINE_USES if use not in unused and (is_podman or not use.podman_only)]


def judge_access(uses: Iterable[EngineUse], forbidden: Collection[str], mode: Mode) -> CheckResult:
    """`forbidden`: the refused endpoints among those of `uses`. `mode`: the responder's."""
    lacking = [use for use in uses if not set(forbidden).isdisjoint(use.endpoints)]
    if not lacking:
        return CheckResult(Level.OK, "all calls that HemoStat makes are allowed")
    summary = "a proxy or plugin of the engine forbids " + "; ".join(
        f"{', '.join(each for each in use.endpoints if each in forbidden)} "
        f"({' and '.join(use.roles)}: {use.loss.replace('`', '')})"
        for use in lacking
    )
    if set(engine_access.ACTIONS) <= set(lacking):
        summary += "; no action can run"
    harmless = all(
        use.gives_root or (mode == "dry-run" and not engine_access.is_reading(use)) for use in lacking
    )
    hint = f"allow them; in docker-socket-proxy: {', '.join(make_proxy_settings(forbidden))}"
    return CheckResult(Level.WARNING if harmless else Level.FAILURE, summary, hint)


def check_healers(machine: Machine) -> CheckResult:
    return judge_healers(machine.engine().inspect_everything(), machine.settings.monitor.only)


def check_cgroups(machine: Machine) -> CheckResult:
    from hemostat.adapters.sampling.cgroups import CgroupSampler

    version = machine.engine().version()
    if not version.has_cgroups:
        return CheckResult(Level.WARNING, NO_CGROUPS_TEXT, NO_CGROUPS_HINT)
    if version.missing_limits:
        limits = list_names(version.missing_limits)
        return CheckResult(
            Level.WARNING,
            f"the engine cannot limit {limits}",
            DELEGATION_HINT if version.rootless else CONTROLLERS_HINT,
        )
    if version.local is False:
        return CheckResult(
            Level.OK,
            "the engine is remote: its stats API measures the containers, and its host is not measured",
        )
    running = [info for info in machine.engine().inspect_everything() if info.is_running]
    if not running:
        return CheckResult(Level.OK, "no container is running to check this on")
    sampler = CgroupSampler()
    readable = sum(sampler.is_usable(info) for info in running)
    summary = f"cgroup files of {readable} of {len(running)} running containers can be read"
    if readable == len(running):
        return CheckResult(Level.OK, summary)
    hint = "the others are measured by the stats API, which is slower; run HemoStat on the engine's host"
    return CheckResult(Level.WARNING, summary, hint)


def check_processes(machine: Machine) -> CheckResult:
    if machine.engine().version().local is False:
        return CheckResult(Level.OK, "the engine is remote: high CPU is reported, and no loop is restarted")
    return judge_processes(machine.engine().inspect_everything())


def judge_processes(containers: Iterable["ContainerInfo"]) -> CheckResult:
    """Whether this user can read what shows a runaway loop."""
    from hemostat.adapters.sampling.cgroups import is_activity_readable

    running = [info for info in containers if info.is_running]
    readable = sum(map(is_activity_readable, running))
    summary = f"the counters of {readable} of {len(running)} running containers can be read"
    if readable == len(running):
        return CheckResult(Level.OK, summary)
    return CheckResult(Level.WARNING, f"{summary}; of the others {NO_COUNTERS_TEXT}", NO_COUNTERS_HINT)


def check_probes(machine: Machine) -> CheckResult:
    version, infos = machine.engine().version(), machine.engine().inspect_everything()
    return judge_probes(infos, version)


def judge_probes(containers: Iterable["ContainerInfo"], engine: "EngineVersion") -> CheckResult:
    """Whether the probes that labels request can be sent from here."""
    from hemostat import app
    from hemostat.core.detection.probe import UNSENT_ADVICE, find_route
    from hemostat.core.labels.definitions import PROBE

    infos = list(containers)
    infos_by_key = {key: info for info in infos for key in (info.ref.name, info.ref.id)}
    obstacles: dict[str, list[str]] = {}
    count = 0
    for info in infos:
        target = PROBE.read_from(info.ref.labels) if info.is_running else None
        route = find_route(info, infos_by_key) if target else None
        if target is None or route is None:
            continue
        count += 1
        if obstacle := app.find_obstacle(engine, route, target):
            obstacles.setdefault(obstacle, []).append(info.ref.name)
    if not obstacles:
        return CheckResult(Level.OK, f"{count} running containers request one (hemostat.probe)")
    parts = (f"{list_names(names)}: {obstacle}" for obstacle, names in sorted(obstacles.items()))
    hints = dict.fromkeys(UNSENT_ADVICE[each] for each in sorted(obstacles))
    return CheckResult(Level.WARNING, f"no probe is sent to {'; '.join(parts)}", "; ".join(hints))


def check_clock(machine: Machine) -> CheckResult:
    before = time.time()
    engine_time = machine.engine().version().time
    if not engine_time:
        return CheckResult(Level.WARNING, "the engine does not report its time")
    off = max(before - engine_time, engine_time - time.time(), 0.0)
    if off > MAX_SKEW_SECONDS:
        return CheckResult(
            Level.FAILURE,
            f"{off:.1f} s apart from the engine's",
            "synchronise both clocks, for example with NTP",
        )
    return CheckResult(Level.OK, f"within {MAX_SKEW_SECONDS:g} s of the engine's")


def check_health_checks(machine: Machine) -> CheckResult:
    engine = machine.engine()
    return judge_health_checks(
        engine.inspect_everything(), is_podman=engine.version().is_podman, now=time.time()
    )


def judge_health_checks(containers: Iterable["ContainerInfo"], *, is_podman: bool, now: float) -> CheckResult:
    """Whether the engine runs the health checks that the containers have. `now` is epoch seconds."""
    checked = [info for info in containers if info.is_running and info.check is not None]
    overdue = sorted(info.ref.name for info in checked if info.is_check_overdue(now))
    if not overdue:
        return CheckResult(Level.OK, f"{len(checked)} running containers have one")
    summary = f"the engine does not run the health checks of {list_names(overdue)}"
    if is_podman:
        hint = "Podman runs health checks by timers of systemd: run these containers where systemd runs"
    else:
        hint = "docker inspect shows when a check has run"
    return CheckResult(Level.WARNING, summary, hint)


def judge_healers(containers: Iterable["ContainerInfo"], only: str) -> CheckResult:
    """Whether other programs act on the containers. `only`: the setting `monitor.only`."""
    running = [info.ref for info in containers if info.is_running]
    if conflict := find_conflict(running, only):
        return CheckResult(Level.WARNING, *conflict)
    return CheckResult(Level.OK, f"none among {len(running)} running containers, judging by their images")
