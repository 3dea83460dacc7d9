"""The engine's JSON in our words. Pure functions; what is malformed raises and is the caller's to skip."""

import re
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Annotated, Any, Final

import msgspec

from hemostat.core.dossier import Check, Details
from hemostat.core.model import (
    ContainerInfo,
    EngineEvent,
    HealthCheck,
    ListedContainer,
    Service,
)
from hemostat.core.reference import SYSTEMD_UNIT, reference

ACTIONS: Final = frozenset(
    {"create", "start", "kill", "die", "stop", "oom", "pause", "unpause", "update", "rename", "destroy"}
)
ALIASES: Final = {"died": "die", "remove": "destroy"}
"""Podman's names."""

FILTER: Final = {"type": "container", "event": [*sorted(ACTIONS), *ALIASES, "health_status"]}
"""Asked of the engine, so that a health check's three exec events a second never leave it."""

ENGINE_NETWORKS: Final = frozenset({"bridge", "host", "none", "podman"})
"""On which containers are that were put on no other."""
NANO: Final = 10**9
REAL_TIME: Final = {"SIGRTMIN": 34, "SIGRTMAX": 64}
"""As the engine counts them; `SIGRTMIN+3` is how a systemd is stopped."""
HEALTHS: Final = frozenset({"starting", "healthy", "unhealthy"})
OUTPUT: Final = 300
"""Characters of a health check's output."""


class Message(msgspec.Struct, rename={"action": "Action", "actor": "Actor", "nanos": "timeNano"}):
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


def message(line: bytes) -> Message:
    """Raises msgspec.MsgspecError or UnicodeDecodeError for what is no event."""
    return msgspec.json.decode(line, type=Message)


def event(heard: Message) -> EngineEvent | None:
    """None for actions that are none of ours."""
    attributes = heard.actor.attributes or {}
    action = _action(heard.action, attributes)
    if action is None:
        return None
    return EngineEvent(
        time=heard.nanos // 1000 / 1e6,
        action=action,
        container=reference(
            heard.actor.id, attributes.get("name", ""), attributes.get("image", ""), attributes
        ),
        exit_code=_number(attributes.get("exitCode")),
        signal=_signal(attributes.get("signal")),
        podman=heard.action in ALIASES or "containerExitCode" in attributes,
    )


def _action(said: str, attributes: Mapping[str, str]) -> str | None:
    name, _, detail = said.partition(": ")
    if name == "health_status":
        health = detail or attributes.get("health_status", "")
        return health if health in {"healthy", "unhealthy"} else None
    action = ALIASES.get(name, name)
    return action if action in ACTIONS else None


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _signal(text: str | None) -> int | None:
    """By number or by name, with SIG or without."""
    name = "SIG" + (text or "").upper().removeprefix("SIG")
    known = REAL_TIME.get(name[:8]) or signal.Signals.__members__.get(name)
    return _number(text) if known is None else int(known) + (_number(name[8:]) or 0)


STATUS: Final = re.compile(
    r"(?:\w+ )?(?:\((?P<code>-?\d+)\) )?(?P<age>[^()]*?)(?: ago)?(?: \((?P<note>[^)]*)\))?$"
)
"""`Up 5 minutes (healthy)`, `Exited (137) 2 hours ago`, `Up About an hour (Paused)`."""
AGE: Final = re.compile(r"(?P<count>\d+|an?|1) (?P<unit>second|minute|hour|day|week|month|year)s?$")
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
    words = STATUS.fullmatch(row.get("Status") or "")
    found = words.groupdict() if words else {}
    note, code = found.get("note") or "", found.get("code")
    name = min(row.get("Names") or [row["Id"][:12]], key=lambda name: name.count("/"))
    return ListedContainer(
        ref=reference(row["Id"], name, row.get("Image") or "", row.get("Labels") or {}),
        status=row["State"],
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
    health = state.get("Health") or {}
    return ContainerInfo(
        ref=reference(
            inspected["Id"], inspected["Name"], config.get("Image") or "", _labels(config, host), group
        ),
        status=state["Status"],
        health=_health(health),
        exit_code=state.get("ExitCode") or 0,
        oom_killed=bool(state.get("OOMKilled")),
        started_at=seconds(state.get("StartedAt")),
        finished_at=seconds(state.get("FinishedAt")),
        restart_policy=policy.get("Name") or "no",
        max_retries=policy.get("MaximumRetryCount") or 0,
        restart_count=inspected.get("RestartCount") or 0,
        pid=state.get("Pid") or 0,
        cpu_limit=_cores(host),
        memory_limit=host.get("Memory") or None,
        pids_limit=_pids(host),
        network_mode=host.get("NetworkMode") or "",
        stop_signal=_signal(config.get("StopSignal")),
        stop_timeout=config.get("StopTimeout"),
        failing_streak=health.get("FailingStreak") or 0,
        health_output=_output(health),
        check_exit_code=_check_exit_code(health.get("Log") or ()),
        check=_health_check(config.get("Healthcheck") or {}),
        checked_at=_begun(health.get("Log") or (), -1),
        failing_since=_failing_since(health.get("Log") or ()),
        address=_address(inspected.get("NetworkSettings") or {}),
        addresses=_addresses(inspected.get("NetworkSettings") or {}, "IPAddress", "GlobalIPv6Address"),
        gateways=_addresses(inspected.get("NetworkSettings") or {}, "Gateway", "IPv6Gateway"),
        networks=_networks(inspected.get("NetworkSettings") or {}),
        published=_published(inspected.get("NetworkSettings") or {}),
        joined=_joined(host),
        host_paths=_host_paths(host, inspected.get("Mounts") or ()),
        log_path=inspected.get("LogPath") or "",
        created_at=seconds(inspected.get("Created")),
        interactive=bool(config.get("AttachStdin") and config.get("StdinOnce")),
        auto_remove=bool(host.get("AutoRemove")),
        error=state.get("Error") or "",
    )


def _labels(config: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, str]:
    """With the systemd unit in whose cgroup it runs, as Podman names it in a label."""
    unit = (host.get("CgroupParent") or "").rstrip("/").rpartition("/")[2]
    owned = {SYSTEMD_UNIT: unit} if unit.endswith(".service") else {}
    return {**owned, **(config.get("Labels") or {})}


def details(inspected: Mapping[str, Any]) -> Details:
    state, host, config = inspected["State"], inspected["HostConfig"], inspected["Config"]
    policy = host.get("RestartPolicy") or {}
    variables = (each.partition("=") for each in config.get("Env") or ())
    return Details(
        command=tuple((config.get("Entrypoint") or []) + (config.get("Cmd") or [])),
        restart_policy=policy.get("Name") or "no",
        max_retries=policy.get("MaximumRetryCount") or 0,
        cpu_limit=_cores(host),
        memory_limit=host.get("Memory") or None,
        pids_limit=_pids(host),
        networks=tuple(sorted((inspected.get("NetworkSettings") or {}).get("Networks") or ())),
        mounts=tuple(sorted(map(_mount, inspected.get("Mounts") or ()))),
        environment={name: value for name, _, value in variables},
        checks=tuple(map(_check, (state.get("Health") or {}).get("Log") or ())),
        error=state.get("Error") or "",
    )


def _mount(mount: Mapping[str, Any]) -> str:
    return f"{mount['Destination']}{'' if mount.get('RW', True) else ':ro'}"


def _check(check: Mapping[str, Any]) -> Check:
    return Check(
        time=seconds(check.get("Start")),
        exit_code=check.get("ExitCode") or 0,
        output=(check.get("Output") or "").strip(),
    )


def _health(health: Mapping[str, Any]) -> str | None:
    status = health.get("Status") or None
    return None if status == "none" else status


def _health_check(configured: Mapping[str, Any]) -> HealthCheck | None:
    """The engine writes 0 where its default applies. It keeps the image's check with the container."""
    if (configured.get("Test") or ["NONE"])[0] == "NONE":
        return None
    return HealthCheck(
        interval=(configured.get("Interval") or 30 * NANO) / NANO,
        timeout=(configured.get("Timeout") or 30 * NANO) / NANO,
        retries=configured.get("Retries") or 3,
        start_period=(configured.get("StartPeriod") or 0) / NANO,
    )


def _check_exit_code(checks: Sequence[Mapping[str, Any]]) -> int | None:
    return checks[-1].get("ExitCode") if checks else None


def _begun(checks: Sequence[Mapping[str, Any]], index: int) -> float:
    return seconds(checks[index].get("Start")) if checks else 0.0


def _failing_since(checks: Sequence[Mapping[str, Any]]) -> float:
    """The engine tells the oldest first."""
    failing = list(takewhile(lambda check: check.get("ExitCode") != 0, reversed(checks)))
    return _begun(failing, -1)


def _output(health: Mapping[str, Any]) -> str:
    """Of the last check. The engine tells the oldest first."""
    log = health.get("Log") or [{}]
    return (log[-1].get("Output") or "").strip()[:OUTPUT]


def _address(network: Mapping[str, Any]) -> str:
    networks = [each or {} for each in (network.get("Networks") or {}).values()]
    names = ("IPAddress", "GlobalIPv6Address")
    return next((each[name] for name in names for each in networks if each.get(name)), "")


def _joined(host: Mapping[str, Any]) -> tuple[str, ...]:
    modes = (host.get(name) or "" for name in ("NetworkMode", "PidMode", "IpcMode"))
    return tuple(dict.fromkeys(mode.partition(":")[2] for mode in modes if mode.startswith("container:")))


def _host_paths(host: Mapping[str, Any], mounts: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    binds = [(each.get("Source"), each.get("Destination")) for each in mounts if each.get("Type") == "bind"]
    devices = [(each.get("PathOnHost"), "") for each in host.get("Devices") or ()]
    return tuple((source, target or "") for source, target in binds + devices if source)


def _addresses(network: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    networks = (network.get("Networks") or {}).values()
    return tuple(filter(None, (each.get(name) for each in networks for name in names)))


def _networks(network: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted((network.get("Networks") or {}).keys() - ENGINE_NETWORKS))


def _published(network: Mapping[str, Any]) -> tuple[int, ...]:
    """`Ports` is null for a port that is exposed and not published."""
    ports = (network.get("Ports") or {}).items()
    bound = (each for port, bindings in ports if port.endswith("/tcp") for each in bindings or ())
    return tuple(sorted({int(each["HostPort"]) for each in bound if each.get("HostPort")}))


def _pids(host: Mapping[str, Any]) -> int | None:
    """The engine writes no limit as null, 0 or -1."""
    limit = host.get("PidsLimit") or 0
    return limit if limit > 0 else None


def _cores(host: Mapping[str, Any]) -> float | None:
    nano, quota, period = host.get("NanoCpus") or 0, host.get("CpuQuota") or 0, host.get("CpuPeriod") or 0
    if nano:
        return float(nano / NANO)
    return float(quota / (period or DEFAULT_PERIOD)) if quota > 0 else None


DEFAULT_PERIOD: Final = 100_000
"""Microseconds: the scheduler's period where a quota was given without one."""


def seconds(timestamp: str | None) -> float:
    """Epoch seconds of an RFC 3339 time; 0 for never, which the engine writes as the year 1."""
    return max(datetime.fromisoformat(timestamp).timestamp(), 0.0) if timestamp else 0.0


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
    replicas = None if replicated is None else replicated.get("Replicas", 1)
    return Service(
        id=inspected["ID"],
        name=spec.get("Name") or "",
        replicas=replicas,
        labels={**of_containers, **(spec.get("Labels") or {})},
        members=tuple(each["ContainerID"] for each in made if each.get("ContainerID")),
    )


def replicated(spec: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The service's specification with so many replicas, and all else as it was."""
    return {**spec, "Mode": {"Replicated": {"Replicas": replicas}}}
