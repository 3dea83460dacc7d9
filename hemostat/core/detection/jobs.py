"""Which containers are jobs: a failed one is told, and not run again unless its label wants it."""

from collections.abc import Sequence
from typing import Final

from hemostat.core.dependencies.declared import is_one_off
from hemostat.core.labels.definitions import ENABLE, JOB
from hemostat.core.model import ContainerInfo

MIN_CLEAN_ENDS: Final = 2
"""Times that a container must have ended with 0 of itself to be a job."""


def is_session(info: ContainerInfo) -> bool:
    """Whether a person works in it at a terminal, or pipes into it: nothing about it is a failure, unless its
    label asks for it to be watched. Compose and restart policies make services, input or not."""
    ref = info.ref
    service = ref.service is not None and not is_one_off(ref)
    plain = info.restart_policy == "no" and info.check is None and not service
    return info.interactive and plain and ENABLE.of(ref.labels) is None


def explain_job(info: ContainerInfo, *, needed_by: Sequence[ContainerInfo], clean_ends: int) -> str:
    """What shows that it is a job, in words; empty where nothing does, or its label decides. `needed_by`:
    those that start only after it has completed."""
    if JOB.name in info.ref.labels:
        return ""
    if needed_by:
        return f"it must complete before {', '.join(each.ref.name for each in needed_by[:3])}"
    if is_one_off(info.ref):
        return "docker compose run started it"
    return f"it ended with 0 {clean_ends} times before" if clean_ends >= MIN_CLEAN_ENDS else ""
