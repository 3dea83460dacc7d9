"""How a container was made, by its inspection: bounded, and with secrets, which core.evidence.build masks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hemostat.adapters.docker_engine.parse import MAX_ERROR_CHARACTERS, cores, exit_code, pids, seconds, word
from hemostat.core import bounds
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun

MAX_WORDS: Final = 1000
"""Of a command."""
MAX_VARIABLES: Final = 500
MAX_CHECKS: Final = 20
MAX_VALUE_CHARACTERS: Final = 8000
"""Of a variable, a word of a command or the output of a check."""

Json = Mapping[str, Any]


def read_details(inspected: Json) -> ContainerDetails:
    state, host, config = inspected["State"], inspected["HostConfig"], inspected["Config"]
    policy = host.get("RestartPolicy") or {}
    command = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())][:MAX_WORDS]
    return ContainerDetails(
        command=tuple(map(_value, command)),
        restart_policy=word(policy.get("Name")) or "no",
        max_retries=bounds.whole(policy.get("MaximumRetryCount")),
        cpu_limit=cores(host),
        memory_limit=bounds.whole(host.get("Memory")) or None,
        pids_limit=pids(host),
        networks=_names((inspected.get("NetworkSettings") or {}).get("Networks") or ()),
        mounts=_names(list(map(_mount, (inspected.get("Mounts") or ())[: bounds.MAX_ITEMS]))),
        environment=_environment((config.get("Env") or ())[:MAX_VARIABLES]),
        checks=tuple(map(_check, ((state.get("Health") or {}).get("Log") or ())[-MAX_CHECKS:])),
        error=bounds.text(state.get("Error"), MAX_ERROR_CHARACTERS),
    )


def _value(value: object) -> str:
    return bounds.text(value, MAX_VALUE_CHARACTERS)


def _names(values: Any) -> tuple[str, ...]:
    return tuple(sorted(bounds.texts(list(values), bounds.MAX_PATH_CHARACTERS)))


def _environment(variables: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (_value(each).partition("=") for each in variables)}


def _mount(mount: Json) -> str:
    return f"{mount['Destination']}{'' if mount.get('RW', True) else ':ro'}"


def _check(check: Json) -> HealthcheckRun:
    return HealthcheckRun(
        time=seconds(check.get("Start")),
        exit_code=exit_code(check.get("ExitCode")),
        output=_value((check.get("Output") or "").strip()),
    )
