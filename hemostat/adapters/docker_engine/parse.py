"""Translates the engine's JSON into the types of core.model.

The functions are pure. Malformed values raise an exception, and the caller skips them.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Annotated, Any, Final

import msgspec

from hemostat.adapters.docker_engine import networks, podman_api
from hemostat.adapters.docker_engine.answers import decode_answer
from hemostat.core import bounds
from hemostat.core.detection.restart_owner import is_restarted_by_docker
from hemostat.core.labels.container_ref import SYSTEMD_UNIT_LABEL, build_reference
from hemostat.core.labels.definitions import MAX_STOP_SECONDS
from hemostat.core.model import (
    ContainerInfo,
    EngineEvent,
    HealthCheck,
    ListedContainer,
)
from hemostat.events import MAX_TIME

ACTIONS: Final = frozenset(
    ("create start kill die stop oom pause unpause update rename destroy " + podman_api.CLEANUP).split()
)

EVENT_FILTER: Final = {
    "type": "container",
    "event": [*sorted(ACTIONS), *podman_api.ACTION_ALIASES, "health_status"],
}
"""The filter sent to the engine, so that a health check's three exec events a second never leave it."""

NANOS_PER_SECOND: Final = 10**9
NUMBER_PATTERN: Final = re.compile(r"[+-]?[0-9]{1,10}")
MAX_NANOS: Final = int(MAX_TIME) * NANOS_PER_SECOND
MAX_EXIT_CODE: Final = 2**32
"""Limit of an exit code, with either sign."""
MAX_STATUS_CHARACTERS: Final = 200
MAX_PIDS: Final = 2**31
MAX_CHECK_SECONDS: Final = 86400.0
MAX_CHECK_RETRIES: Final = 1000
"""Limits of a health check: its interval, timeout and start period, and its retries."""
REAL_TIME_SIGNALS: Final = {"SIGRTMIN": 34, "SIGRTMAX": 64}
"""Signal numbers as the engine counts them. `SIGRTMIN+3` stops a systemd."""
HEALTH_STATES: Final = frozenset({"starting", "healthy", "unhealthy"})
MAX_OUTPUT_CHARACTERS: Final = 4096
"""Limit of a health check's output: what Docker keeps. A cut could remove what identifies a secret."""
MAX_ERROR_CHARACTERS: Final = 2000


class EventLine(
    msgspec.Struct,
    rename={"action": "Action", "actor": "Actor", "nanos": "timeNano", "health": "HealthStatus"},
):
    """One line of the event stream. `nanos` is epoch nanoseconds. `health` is Podman's."""

    class Actor(msgspec.Struct, rename={"id": "ID", "attributes": "Attributes"}):
        id: str
        attributes: dict[str, str] | None = None

    action: str
    actor: Actor
    nanos: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    health: str = ""


def parse_line(line: bytes) -> EventLine:
    """Raises msgspec.MsgspecError or UnicodeDecodeError for a line that is not an event."""
    return decode_answer(line, EventLine)


def parse_event(event_line: EventLine, *, podman: bool = False, key: str = "") -> EngineEvent | None:
    """The event, or None for an action that HemoStat does not use, and for a container without the label
    `key`.

    `podman`: the engine is known to be Podman. The attributes cannot show that: they include the container's
    labels.
    """
    attributes = event_line.actor.attributes or {}
    action = _parse_action(event_line.action, event_line.health or attributes.get("health_status", ""))
    if action is None or (key and key not in attributes):
        return None
    return EngineEvent(
        time=bounds.clamp_int(event_line.nanos, MAX_NANOS) // 1000 / 1e6,
        action=action,
        container=build_reference(
            event_line.actor.id, attributes.get("name", ""), attributes.get("image", ""), attributes
        ),
        exit_code=_parse_number(attributes.get("exitCode")),
        signal=_parse_signal(attributes.get("signal")),
        podman=podman or event_line.action in podman_api.ACTION_ALIASES,
    )


def _parse_action(text: str, health_status: str) -> str | None:
    name, _, detail = text.partition(": ")
    if name == "health_status":
        health = detail or health_status
        return health if health in {"healthy", "unhealthy"} else None
    action = podman_api.ACTION_ALIASES.get(name, name)
    return action if action in ACTIONS else None


def _parse_number(text: str | None) -> int | None:
    """The number of an exit code or a signal."""
    return int(text) if text and NUMBER_PATTERN.fullmatch(text) else None


def _parse_signal(text: str | None) -> int | None:
    """A signal by number or by name, with or without SIG."""
    name = "SIG" + (text or "").upper().removeprefix("SIG")
    signal_number = REAL_TIME_SIGNALS.get(name[:8]) or signal.Signals.__members__.get(name)
    return (
        _parse_number(text) if signal_number is None else int(signal_number) + (_parse_number(name[8:]) or 0)
    )


STATUS_PATTERN: Final = re.compile(
    r"(?:\w+ )?(?:\((?P<code>-?[0-9]{1,10})\) )?(?P<age>[^()]*?)(?: ago)?(?: \((?P<note>[^)]*)\))?$"
)
"""`Up 5 minutes (healthy)`, `Exited (137) 2 hours ago`, `Up About an hour (Paused)`."""
AGE_PATTERN: Final = re.compile(
    r"(?P<count>[0-9]{1,6}|an?) (?P<unit>second|minute|hour|day|week|month|year)s?$"
)
UNIT_SECONDS: Final = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": 30 * 86400.0,
    "year": 365 * 86400.0,
}


def parse_row(row: Mapping[str, Any]) -> ListedContainer:
    """One row of the engine's list."""
    match = STATUS_PATTERN.fullmatch(bounds.limit_text(row.get("Status"), MAX_STATUS_CHARACTERS))
    groups = match.groupdict() if match else {}
    note, code = groups.get("note") or "", groups.get("code")
    name = min(row.get("Names") or [row["Id"][:12]], key=lambda name: name.count("/"))
    return ListedContainer(
        ref=build_reference(row["Id"], name, row.get("Image") or "", row.get("Labels") or {}),
        status=podman_api.translate_status(parse_word(row["State"])),
        health=note.removeprefix("health: ") if note.removeprefix("health: ") in HEALTH_STATES else None,
        exit_code=None if code is None else int(code),
        age=_parse_age(groups.get("age") or ""),
    )


def _parse_age(text: str) -> float | None:
    """The most seconds that the engine's words can mean."""
    if text == "Less than a second":
        return 1.0
    match = AGE_PATTERN.search(text.strip())
    if match is None:
        return None
    count = int(match["count"]) if match["count"].isdigit() else 1
    return (count + 1) * UNIT_SECONDS[match["unit"]]


def parse_info(inspected: Mapping[str, Any], group: str = "") -> ContainerInfo:
    """The inspected container. `group`: as in `build_reference`."""
    state, host, config = inspected["State"], inspected["HostConfig"], inspected["Config"]
    policy = host.get("RestartPolicy") or {}
    health, network = state.get("Health") or {}, inspected.get("NetworkSettings") or {}
    info = ContainerInfo(
        ref=build_reference(
            inspected["Id"],
            inspected["Name"],
            config.get("Image") or "",
            _parse_labels(config, host),
            group,
        ),
        status=parse_word(state["Status"]),
        health=_parse_health(health),
        exit_code=parse_exit_code(state.get("ExitCode")),
        oom_killed=bool(state.get("OOMKilled")),
        started_at=parse_seconds(state.get("StartedAt")),
        finished_at=parse_seconds(state.get("FinishedAt")),
        restart_policy=parse_word(policy.get("Name")) or "no",
        max_retries=bounds.clamp_int(policy.get("MaximumRetryCount")),
        restart_count=bounds.clamp_int(inspected.get("RestartCount")),
        pid=bounds.clamp_int(state.get("Pid"), MAX_PIDS),
        cpu_limit=parse_cores(host),
        memory_limit=bounds.clamp_int(host.get("Memory")) or None,
        pids_limit=parse_pids_limit(host),
        network_mode=bounds.shorten_identifier(host.get("NetworkMode"), bounds.MAX_NAME_CHARACTERS),
        stop_signal=_parse_signal(config.get("StopSignal")),
        stop_timeout=parse_stop_timeout(config.get("StopTimeout")),
        failing_streak=bounds.clamp_int(health.get("FailingStreak")),
        health_output=_parse_output(health),
        check_exit_code=_parse_check_exit_code(health.get("Log") or ()),
        check=_parse_health_check(config.get("Healthcheck") or {}, podman_api.read_check_action(inspected)),
        checked_at=_find_check_start(health.get("Log") or (), -1),
        failing_since=_find_failing_since(health.get("Log") or ()),
        address=networks.read_address(network),
        addresses=networks.read_addresses(network, "IPAddress", "GlobalIPv6Address"),
        gateways=networks.read_addresses(network, "Gateway", "IPv6Gateway"),
        networks=networks.read_network_names(network),
        bindings=networks.read_bindings(network),
        joined=networks.find_shared_namespaces(host),
        host_paths=networks.read_host_paths(host, inspected.get("Mounts") or ()),
        log_path=bounds.limit_text(inspected.get("LogPath"), bounds.MAX_PATH_CHARACTERS),
        created_at=parse_seconds(inspected.get("Created")),
        interactive=bool(config.get("AttachStdin") and config.get("StdinOnce")),
        auto_remove=bool(host.get("AutoRemove")),
        is_infra=podman_api.is_infra(inspected),
        error=podman_api.drop_redundant_start(bounds.limit_text(state.get("Error"), MAX_ERROR_CHARACTERS)),
    )
    status = podman_api.translate_status(
        info.status, has_restart=is_restarted_by_docker(info, info.exit_code)
    )
    return info if status == info.status else msgspec.structs.replace(info, status=status)


def _parse_labels(config: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, str]:
    """The container's labels, with the systemd unit in whose cgroup it runs under Podman's label for it."""
    unit = (host.get("CgroupParent") or "").rstrip("/").rpartition("/")[2]
    owned = {SYSTEMD_UNIT_LABEL: unit} if unit.endswith(".service") else {}
    return {**owned, **(config.get("Labels") or {})}


def parse_word(value: object) -> str:
    return bounds.limit_text(value, bounds.MAX_WORD_CHARACTERS)


def parse_exit_code(value: object) -> int:
    return bounds.clamp_int(value, MAX_EXIT_CODE, -MAX_EXIT_CODE) if isinstance(value, int) else 0


def parse_stop_timeout(value: object) -> float | None:
    """Seconds. Negative if the container may take unlimited time."""
    return bounds.clamp_float(value, MAX_STOP_SECONDS, -1.0) if isinstance(value, int | float) else None


def _parse_health(health: Mapping[str, Any]) -> str | None:
    status = parse_word(health.get("Status"))
    return None if status in {"", "none"} else status


def _parse_health_check(configured: Mapping[str, Any], on_failure: str) -> HealthCheck | None:
    """The engine writes 0 where its default applies.

    It stores the image's health check with the container.
    """
    if (configured.get("Test") or ["NONE"])[0] == "NONE":
        return None
    return HealthCheck(
        interval=_parse_check_seconds(configured.get("Interval")) or 30.0,
        timeout=_parse_check_seconds(configured.get("Timeout")) or 30.0,
        retries=bounds.clamp_int(configured.get("Retries"), MAX_CHECK_RETRIES) or 3,
        start_period=_parse_check_seconds(configured.get("StartPeriod")),
        on_failure=on_failure,
    )


def _parse_check_seconds(nanos: object) -> float:
    return bounds.clamp_float(bounds.clamp_int(nanos) / NANOS_PER_SECOND, MAX_CHECK_SECONDS)


def _parse_check_exit_code(checks: Sequence[Mapping[str, Any]]) -> int | None:
    code = checks[-1].get("ExitCode") if checks else None
    return None if code is None else parse_exit_code(code)


def _find_check_start(checks: Sequence[Mapping[str, Any]], index: int) -> float:
    return parse_seconds(checks[index].get("Start")) if checks else 0.0


def _find_failing_since(checks: Sequence[Mapping[str, Any]]) -> float:
    """The start of the first of the consecutive failed checks. The engine lists the oldest first."""
    failing = list(takewhile(lambda check: check.get("ExitCode") != 0, reversed(checks)))
    return _find_check_start(failing, -1)


def _parse_output(health: Mapping[str, Any]) -> str:
    """The output of the last check. The engine lists the oldest first."""
    log = health.get("Log") or [{}]
    return bounds.limit_text((log[-1].get("Output") or "").strip(), MAX_OUTPUT_CHARACTERS)


def parse_pids_limit(host: Mapping[str, Any]) -> int | None:
    """The engine writes no limit as null, 0 or -1."""
    return bounds.clamp_int(host.get("PidsLimit"), MAX_PIDS) or None


def parse_cores(host: Mapping[str, Any]) -> float | None:
    nano, quota, period = (bounds.clamp_int(host.get(name)) for name in ("NanoCpus", "CpuQuota", "CpuPeriod"))
    limit = nano / NANOS_PER_SECOND if nano else quota / (period or DEFAULT_PERIOD_MICROSECONDS)
    return bounds.clamp_float(limit, bounds.MAX_CORES) or None


DEFAULT_PERIOD_MICROSECONDS: Final = 100_000
"""The scheduler's period if a quota was given without one."""


def parse_seconds(timestamp: str | None) -> float:
    """Epoch seconds of an RFC 3339 time. 0 for never, which the engine writes as the year 1."""
    return bounds.clamp_float(datetime.fromisoformat(timestamp).timestamp(), MAX_TIME) if timestamp else 0.0


def make_limits(host: Mapping[str, Any], cpus: float | None, memory: int | None) -> dict[str, int]:
    """The body of an update.

    The engine refuses a limit in another unit than it was set in, and a memory limit above the sum of memory
    and swap. So the amount of swap on top of the memory is preserved.
    """
    body = {}
    if cpus is not None and (host.get("CpuQuota") or host.get("CpuPeriod")):
        body["CpuQuota"] = round(cpus * (host.get("CpuPeriod") or DEFAULT_PERIOD_MICROSECONDS))
    elif cpus is not None:
        body["NanoCpus"] = round(cpus * NANOS_PER_SECOND)
    if memory is not None:
        total, before = host.get("MemorySwap") or 0, host.get("Memory") or 0
        body["Memory"] = memory
        body["MemorySwap"] = memory + total - before if total > 0 else total
    return body
