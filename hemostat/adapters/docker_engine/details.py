"""Reads a container's configuration from its inspection, bounded in size.

The details contain secrets, which core.evidence.build masks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hemostat.adapters.docker_engine.parse import (
    MAX_ERROR_CHARACTERS,
    parse_cores,
    parse_exit_code,
    parse_pids_limit,
    parse_seconds,
    parse_word,
)
from hemostat.core import bounds
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun

MAX_WORDS: Final = 1000
"""Words of a command."""
MAX_VARIABLES: Final = 500
MAX_CHECKS: Final = 20
MAX_VALUE_CHARACTERS: Final = 8000
"""Limit of a variable, a word of a command or the output of a health check."""

Json = Mapping[str, Any]


def read_details(inspected: Json) -> ContainerDetails:
    state, host, config = inspected["State"], inspected["HostConfig"], inspected["Config"]
    policy = host.get("RestartPolicy") or {}
    command = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())][:MAX_WORDS]
    return ContainerDetails(
        command=tuple(map(_read_value, command)),
        restart_policy=parse_word(policy.get("Name")) or "no",
        max_retries=bounds.clamp_int(policy.get("MaximumRetryCount")),
        cpu_limit=parse_cores(host),
        memory_limit=bounds.clamp_int(host.get("Memory")) or None,
        pids_limit=parse_pids_limit(host),
        networks=_read_names((inspected.get("NetworkSettings") or {}).get("Networks") or ()),
        mounts=_read_names(list(map(_format_mount, (inspected.get("Mounts") or ())[: bounds.MAX_ITEMS]))),
        environment=_read_environment((config.get("Env") or ())[:MAX_VARIABLES]),
        checks=tuple(map(_read_check, ((state.get("Health") or {}).get("Log") or ())[-MAX_CHECKS:])),
        error=bounds.limit_text(state.get("Error"), MAX_ERROR_CHARACTERS),
    )


def _read_value(value: object) -> str:
    return bounds.limit_text(value, MAX_VALUE_CHARACTERS)


def _read_names(values: Any) -> tuple[str, ...]:
    return tuple(sorted(bounds.limit_texts(list(values), bounds.MAX_PATH_CHARACTERS)))


def _read_environment(variables: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (_read_value(each).partition("=") for each in variables)}


def _format_mount(mount: Json) -> str:
    return f"{mount['Destination']}{'' if mount.get('RW', True) else ':ro'}"


def _read_check(check: Json) -> HealthcheckRun:
    return HealthcheckRun(
        time=parse_seconds(check.get("Start")),
        exit_code=parse_exit_code(check.get("ExitCode")),
        output=_read_value((check.get("Output") or "").strip()),
    )
