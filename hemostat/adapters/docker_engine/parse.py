"""The engine's JSON in our words. Pure functions; what is malformed raises and is the caller's to skip."""

import re
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Annotated, Any, Final

import msgspec

from hemostat.adapters.docker_engine import networks
from hemostat.core import bounds
from hemostat.core.labels.container_ref import SYSTEMD_UNIT, reference, select_labels
from hemostat.core.labels.definitions import MAX_STOP_SECONDS
from hemostat.core.model import (
    ContainerInfo,
    EngineEvent,
    HealthCheck,
    ListedContainer,
    Service,
)
from hemostat.events import MAX_TIME

ACTIONS: Final = frozenset(
    {"create", "start", "kill", "die", "stop", "oom", "pause", "unpause", "update", "rename", "destroy"}
)
ALIASES: Final = {"died": "die", "remove": "destroy"}
"""Podman's names."""

FILTER: Final = {"type": "container", "event": [*sorted(ACTIONS), *ALIASES, "health_status"]}
"""Asked of the engine, so that a health check's three exec events a second never leave it."""

NANO: Final = 10**9
NUMBER: Final = re.compile(r"[+-]?[0-9]{1,10}")
MAX_NANOS: Final = int(MAX_TIME) * NANO
MAX_CODE: Final = 2**32
"""Of an exit code, with either sign."""
MAX_STATUS_CHARACTERS: Final = 200
MAX_PIDS: Final = 2**31
MAX_CHECK_SECONDS: Final = 86400.0
MAX_CHECK_RETRIES: Final = 1000
"""Of a health check: an interval, a timeout or a start period, and how often it may fail."""
REAL_TIME: Final = {"SIGRTMIN": 34, "SIGRTMAX": 64}
"""As the engine counts them; `SIGRTMIN+3` is how a systemd is stopped."""
HEALTHS: Final = frozenset({"starting", "healthy", "unhealthy"})
OUTPUT: Final = 4096
"""Characters of a health check's output: what Docker keeps, for a cut may hide what a secret is known by."""
MAX_ERROR_CHARACTERS: Final = 2000


class EventLine(msgspec.Struct, rename={"action": "Action", "actor": "Actor", "nanos": "timeNano"}):
    """One line of the event stream. `nanos` is epoch nanoseconds."""

    class Actor(msgspec.Struct, rename={"id": "ID", "attributes": "Attributes"}):
        id: str
        attributes: dict[str, str] | None = None

    action: str
    actor: Actor
    nanos: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

    @property
    def key(self) -> tuple[int, str, str]:
        return self.nanos, self.actor.id, self.action


def message(line: bytes) -> EventLine:
    """Raises msgspec.MsgspecError or UnicodeDecodeError for what is no event."""
    return msgspec.json.decode(line, type=EventLine)


def event(heard: EventLine, *, podman: bool = False) -> EngineEvent | None:
    """None for actions that are none of ours. `podman`: the engine is known to be Podman. The attributes
    cannot show that, for they hold the container's labels too."""
    attributes = heard.actor.attributes or {}
    action = _action(heard.action, attributes)
    if action is None:
        return None
    return EngineEvent(
        time=bounds.whole(heard.nanos, MAX_NANOS) // 1000 / 1e6,
        action=action,
        container=reference(
            heard.actor.id, attributes.get("name", ""), attributes.get("image", ""), attributes
        ),
        exit_code=_number(attributes.get("exitCode")),
        signal=_signal(attributes.get("signal")),
        podman=podman or heard.action in ALIASES,
    )


def _action(said: str, attributes: Mapping[str, str]) -> str | None:
    name, _, detail = said.partition(": ")
    if name == "health_status":
        health = detail or attributes.get("health_status", "")
        return health if health in {"healthy", "unhealthy"} else None
    action = ALIASES.get(name, name)
    return action if action in ACTIONS else None


def _number(text: str | None) -> int | None:
    """Of an exit code or a signal."""
    return int(text) if text and NUMBER.fullmatch(text) else None


def _signal(text: str | None) -> int | None:
    """By number or by name, with SIG or without."""
    name = "SIG" + (text or "").upper().removeprefix("SIG")
    known = REAL_TIME.get(name[:8]) or signal.Signals.__members__.get(name)
    return _number(text) if known is None else int(known) + (_number(name[8:]) or 0)


STATUS: Final = re.compile(
    r"(?:\w+ )?(?:\((?P<code>-?[0-9]{1,10})\) )?(?P<age>[^()]*?)(?: ago)?(?: \((?P<note>[^)]*)\))?$"
)
"""`Up 5 minutes (healthy)`, `Exited (137) 2 hours ago`, `Up About an hour (Paused)`."""
AGE: Final = re.compile(r"(?P<count>[0-9]{1,6}|an?) (?P<unit>second|minute|hour|day|week|month|year)s?$")
UNIT_SECONDS: Final = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": 30 * 86400.0,
    "year": 365 * 86400.0,
}


def listed(row: Mapping[str, Any]) -> ListedContainer:
    """One row of the engine's list."""
    words = STATUS.fullmatch(bounds.text(row.get("Status"), MAX_STATUS_CHARACTERS))
    found = words.groupdict() if words else {}
    note, code = found.get("note") or "", found.get("code")
    name = min(row.get("Names") or [row["Id"][:12]], key=lambda name: name.count("/"))
    return ListedContainer(
        ref=reference(row["Id"], name, row.get("Image") or "", row.get("Labels") or {}),
        status=bounds.text(row["State"], bounds.MAX_WORD_CHARACTERS),
        health=note.removeprefix("health: ") if note.removeprefix("health: ") in HEALTHS else None,
        exit_code=None if code is None else int(code),
        age=_age(found.get("age") or ""),
    )


def _age(words: str) -> float | None:
    """The most seconds that the engine's words may stand for."""
    if words == "Less than a second":
        return 1.0
    found = AGE.search(words.strip())
    if found is None:
        return None
    count = int(found["count"]) if found["count"].isdigit() else 1
    return (count + 1) * UNIT_SECONDS[found["unit"]]


def info(inspected: Mapping[str, Any], group: str = "") -> ContainerInfo:
    """`group`: as `reference` has it."""
    state, host, config = inspected["State"], inspected["HostConfig"], inspected["Config"]
    policy = host.get("RestartPolicy") or {}
    health, network = state.get("Health") or {}, inspected.get("NetworkSettings") or {}
    return ContainerInfo(
        ref=reference(
            inspected["Id"], inspected["Name"], config.get("Image") or "", _labels(config, host), group
        ),
        status=word(state["Status"]),
        health=_health(health),
        exit_code=exit_code(state.get("ExitCode")),
        oom_killed=bool(state.get("OOMKilled")),
        started_at=seconds(state.get("StartedAt")),
        finished_at=seconds(state.get("FinishedAt")),
        restart_policy=word(policy.get("Name")) or "no",
        max_retries=bounds.whole(policy.get("MaximumRetryCount")),
        restart_count=bounds.whole(inspected.get("RestartCount")),
        pid=bounds.whole(state.get("Pid"), MAX_PIDS),
        cpu_limit=cores(host),
        memory_limit=bounds.whole(host.get("Memory")) or None,
        pids_limit=pids(host),
        network_mode=bounds.identity(host.get("NetworkMode"), bounds.MAX_NAME_CHARACTERS),
        stop_signal=_signal(config.get("StopSignal")),
        stop_timeout=stop_timeout(config.get("StopTimeout")),
        failing_streak=bounds.whole(health.get("FailingStreak")),
        health_output=_output(health),
        check_exit_code=_check_exit_code(health.get("Log") or ()),
        check=_health_check(config.get("Healthcheck") or {}),
        checked_at=_begun(health.get("Log") or (), -1),
        failing_since=_failing_since(health.get("Log") or ()),
        address=networks.address(network),
        addresses=networks.addresses(network, "IPAddress", "GlobalIPv6Address"),
        gateways=networks.addresses(network, "Gateway", "IPv6Gateway"),
        networks=networks.names(network),
        published=networks.published(network),
        joined=networks.joined(host),
        host_paths=networks.host_paths(host, inspected.get("Mounts") or ()),
        log_path=bounds.text(inspected.get("LogPath"), bounds.MAX_PATH_CHARACTERS),
        created_at=seconds(inspected.get("Created")),
        interactive=bool(config.get("AttachStdin") and config.get("StdinOnce")),
        auto_remove=bool(host.get("AutoRemove")),
        error=bounds.text(state.get("Error"), MAX_ERROR_CHARACTERS),
    )


def _labels(config: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, str]:
    """With the systemd unit in whose cgroup it runs, as Podman names it in a label."""
    unit = (host.get("CgroupParent") or "").rstrip("/").rpartition("/")[2]
    owned = {SYSTEMD_UNIT: unit} if unit.endswith(".service") else {}
    return {**owned, **(config.get("Labels") or {})}


def word(value: object) -> str:
    return bounds.text(value, bounds.MAX_WORD_CHARACTERS)


def exit_code(value: object) -> int:
    return bounds.whole(value, MAX_CODE, -MAX_CODE) if isinstance(value, int) else 0


def stop_timeout(value: object) -> float | None:
    """Seconds; negative where the container is given all the time that it takes."""
    return bounds.real(value, MAX_STOP_SECONDS, -1.0) if isinstance(value, int | float) else None


def _health(health: Mapping[str, Any]) -> str | None:
    status = word(health.get("Status"))
    return None if status in {"", "none"} else status


def _health_check(configured: Mapping[str, Any]) -> HealthCheck | None:
    """The engine writes 0 where its default applies. It keeps the image's check with the container."""
    if (configured.get("Test") or ["NONE"])[0] == "NONE":
        return None
    return HealthCheck(
        interval=_check_seconds(configured.get("Interval")) or 30.0,
        timeout=_check_seconds(configured.get("Timeout")) or 30.0,
        retries=bounds.whole(configured.get("Retries"), MAX_CHECK_RETRIES) or 3,
        start_period=_check_seconds(configured.get("StartPeriod")),
    )


def _check_seconds(nanos: object) -> float:
    return bounds.real(bounds.whole(nanos) / NANO, MAX_CHECK_SECONDS)


def _check_exit_code(checks: Sequence[Mapping[str, Any]]) -> int | None:
    code = checks[-1].get("ExitCode") if checks else None
    return None if code is None else exit_code(code)


def _begun(checks: Sequence[Mapping[str, Any]], index: int) -> float:
    return seconds(checks[index].get("Start")) if checks else 0.0


def _failing_since(checks: Sequence[Mapping[str, Any]]) -> float:
    """The engine tells the oldest first."""
    failing = list(takewhile(lambda check: check.get("ExitCode") != 0, reversed(checks)))
    return _begun(failing, -1)


def _output(health: Mapping[str, Any]) -> str:
    """Of the last check. The engine tells the oldest first."""
    log = health.get("Log") or [{}]
    return bounds.text((log[-1].get("Output") or "").strip(), OUTPUT)


def pids(host: Mapping[str, Any]) -> int | None:
    """The engine writes no limit as null, 0 or -1."""
    return bounds.whole(host.get("PidsLimit"), MAX_PIDS) or None


def cores(host: Mapping[str, Any]) -> float | None:
    nano, quota, period = (bounds.whole(host.get(name)) for name in ("NanoCpus", "CpuQuota", "CpuPeriod"))
    limit = nano / NANO if nano else quota / (period or DEFAULT_PERIOD)
    return bounds.real(limit, bounds.MAX_CORES) or None


DEFAULT_PERIOD: Final = 100_000
"""Microseconds: the scheduler's period where a quota was given without one."""


def seconds(timestamp: str | None) -> float:
    """Epoch seconds of an RFC 3339 time; 0 for never, which the engine writes as the year 1."""
    return bounds.real(datetime.fromisoformat(timestamp).timestamp(), MAX_TIME) if timestamp else 0.0


def limits(host: Mapping[str, Any], cpus: float | None, memory: int | None) -> dict[str, int]:
    """The body of an update. The engine refuses a limit in another unit than the one it was set in, and a
    memory limit above the sum of memory and swap: the swap allowed on top stays what it was."""
    body = {}
    if cpus is not None and (host.get("CpuQuota") or host.get("CpuPeriod")):
        body["CpuQuota"] = round(cpus * (host.get("CpuPeriod") or DEFAULT_PERIOD))
    elif cpus is not None:
        body["NanoCpus"] = round(cpus * NANO)
    if memory is not None:
        total, before = host.get("MemorySwap") or 0, host.get("Memory") or 0
        body["Memory"] = memory
        body["MemorySwap"] = memory + total - before if total > 0 else total
    return body


def service(inspected: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]] = ()) -> Service:
    """Its labels are those that it was given, for itself and for its containers."""
    spec = inspected["Spec"]
    of_containers = ((spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Labels") or {}
    made = ((each.get("Status") or {}).get("ContainerStatus") or {} for each in tasks)
    replicated = (spec.get("Mode") or {}).get("Replicated")
    replicas = None if replicated is None else bounds.whole(replicated.get("Replicas", 1))
    return Service(
        id=inspected["ID"],
        name=bounds.identity(spec.get("Name"), bounds.MAX_NAME_CHARACTERS),
        replicas=replicas,
        labels=select_labels({**of_containers, **(spec.get("Labels") or {})}),
        members=tuple(each["ContainerID"] for each in made if each.get("ContainerID")),
    )


def replicated(spec: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The service's specification with so many replicas, and all else as it was."""
    return {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}
