"""Decides which containers are jobs. A failed job raises an alert, and reruns only if its label says so."""

from collections.abc import Sequence
from typing import Final

from hemostat.core.dependencies.declared import is_one_off
from hemostat.core.labels.definitions import ENABLE, JOB
from hemostat.core.model import ContainerInfo

MIN_CLEAN_ENDS: Final = 2
"""Number of times that a container must have ended with 0 by itself to be a job."""


def is_session(info: ContainerInfo) -> bool:
    """Return whether a person works in the container at a terminal, or pipes input into it. Nothing about
    such a container is a failure, unless its label asks to watch it. Compose and restart policies make a
    service, with or without input."""
    ref = info.ref
    service = ref.service is not None and not is_one_off(ref)
    plain = info.restart_policy == "no" and info.check is None and not service
    return info.interactive and plain and ENABLE.read_from(ref.labels) is None


def explain_job(info: ContainerInfo, *, needed_by: Sequence[ContainerInfo], clean_ends: int) -> str:
    """Return what shows that the container is a job, in words. Empty if nothing shows that, or if its label
    decides. `needed_by`: containers that start only after this one has completed."""
    if JOB.name in info.ref.labels:
        return ""
    if needed_by:
        return f"it must complete before {', '.join(each.ref.name for each in needed_by[:3])}"
    if is_one_off(info.ref):
        return "docker compose run started it"
    return f"it exited with code 0 {clean_ends} times before" if clean_ends >= MIN_CLEAN_ENDS else ""
