"""Finds the owner that may restart a container: an orchestrator, Docker's restart policy, or none.

An orchestrator is identified by the labels that it sets on its containers. It often replaces a container by
another one instead of starting it again. HemoStat therefore never starts or restarts its containers: two
would run. The orchestrator gets the time that it needs, and an alert is raised if it does not act. `docker
compose` restarts nothing.

Docker's restart policy ends: `on-failure:N` after N restarts, every policy after a failed start and after
`docker stop` and `docker kill`. A container that waits for its restart has the status `restarting`. A
container that is `exited` despite a policy has been given up.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import msgspec

from hemostat.core import bounds
from hemostat.core.labels.container_ref import SYSTEMD_UNIT_LABEL
from hemostat.core.model import ContainerInfo
from hemostat.events import Container

FIRST_LOOK_SECONDS: Final = 2.0
LOOK_INTERVAL_SECONDS: Final = 10.0
"""Seconds until a container that Docker should restart is inspected. Docker's back-off is 0.1 s to 60 s."""

SHORT_RUN_SECONDS: Final = 60.0
"""Seconds. A container that ends with 0 sooner than this, and is started again, does no long-running work."""
MIN_CLEAN_ENDS: Final = 8
MIN_SLOW_DEATHS: Final = 5
"""Number of ends with 0 after a short run (MIN_CLEAN_ENDS), and of failures, within SLOW_LOOP_WINDOWS loop
windows that make a slow loop."""
SLOW_LOOP_WINDOWS: Final = 12.0
END_MARGIN_SECONDS: Final = 1.0
"""Difference in seconds between the times that the engine's event and the inspection name for one end."""
MAX_WORKLOAD_CHARACTERS: Final = 200
"""Characters of a workload's key, which labels determine."""


class Orchestrator(NamedTuple):
    """An orchestrator and its labels. One of `marker_labels` is enough to identify a container of it.
    `workload_labels` are those whose values a replacement shares. They include an id that the orchestrator
    generates, where it has one, because any user may set labels. `trait` is what a replacement shares
    besides, where there is no such id. The orchestrator needs up to `patience_seconds` to restart or replace
    a container."""

    name: str
    marker_labels: tuple[str, ...]
    workload_labels: tuple[str, ...]
    patience_seconds: float
    trait: Literal["", "name", "image"] = ""


ORCHESTRATORS: Final = (
    Orchestrator(
        "Swarm",
        ("com.docker.swarm.task.name", "com.docker.swarm.service.id", "com.docker.swarm.service.name"),
        ("com.docker.swarm.service.id", "com.docker.swarm.service.name", "com.docker.swarm.task.name"),
        30.0,
    ),
    Orchestrator(
        "Kubernetes",
        ("io.kubernetes.pod.name", "io.kubernetes.container.name", "annotation.io.kubernetes.container.hash"),
        (
            "io.kubernetes.pod.uid",
            "io.kubernetes.pod.namespace",
            "io.kubernetes.pod.name",
            "io.kubernetes.container.name",
        ),
        330.0,
    ),
    Orchestrator(
        "Nomad",
        ("com.hashicorp.nomad.alloc_id",),
        ("com.hashicorp.nomad.alloc_id", "com.hashicorp.nomad.task_name"),
        60.0,
    ),
    Orchestrator(
        "ECS",
        ("com.amazonaws.ecs.task-arn", "com.amazonaws.ecs.container-name"),
        ("com.amazonaws.ecs.task-definition-family", "com.amazonaws.ecs.container-name"),
        300.0,
        "image",
    ),
    Orchestrator("systemd", (SYSTEMD_UNIT_LABEL,), (SYSTEMD_UNIT_LABEL,), 90.0, "name"),
    Orchestrator("balena", ("io.balena.supervised",), ("io.balena.service-name",), 60.0, "image"),
    Orchestrator("Home Assistant", ("io.hass.type",), ("io.hass.name",), 120.0, "name"),
)


def find_orchestrator(container: Container) -> Orchestrator | None:
    labels = container.labels
    return next((each for each in ORCHESTRATORS if any(mark in labels for mark in each.marker_labels)), None)


def get_workload_key(container: Container) -> str:
    """Return what a container and its replacement have in common; its id if it has no orchestrator."""
    owner = find_orchestrator(container)
    if owner is None:
        return container.id
    values = [container.labels.get(label, "") for label in owner.workload_labels]
    if owner.name == "Swarm":
        values[-1] = values[-1].rpartition(".")[0]  # service.slot.task: the slot is filled again
    if not any(values):
        return container.id
    if owner.trait:
        values.append(container.name if owner.trait == "name" else container.image)
    return bounds.shorten_identifier("/".join((owner.name, *values)), MAX_WORKLOAD_CHARACTERS)


def find_replacements(
    container: Container, died_at: float, infos: Sequence[ContainerInfo]
) -> list[ContainerInfo]:
    """Return what was started in the container's place since it died: the same container, or another one that
    was created since then."""
    key = get_workload_key(container)
    return [
        each
        for each in infos
        if each.started_at > died_at
        and get_workload_key(each.ref) == key
        and (each.ref.id == container.id or each.created_at > died_at)
    ]


def may_precede(info: ContainerInfo, time: float) -> bool:
    """Return whether the end of a process at `time` (epoch seconds) may concern the container or one that it
    replaces. While it ran, the end was another container's: labels alone may name the same workload."""
    if time <= info.started_at + END_MARGIN_SECONDS:
        return True
    return not info.is_running and abs(time - info.finished_at) <= END_MARGIN_SECONDS


def is_predecessor(other: ContainerInfo, info: ContainerInfo) -> bool:
    """Return whether `other` may be the same container or one that it replaces: it ended before."""
    if other.ref.id == info.ref.id:
        return True
    return not other.is_running and may_precede(info, other.finished_at)


def is_restarted_by_docker(info: ContainerInfo, exit_code: int = 1) -> bool:
    """Return whether Docker's restart policy applies to an unrequested end with `exit_code`."""
    if info.restart_policy == "on-failure":
        return exit_code != 0 and (not info.max_retries or info.restart_count < info.max_retries)
    return info.restart_policy in {"always", "unless-stopped"}


def is_given_up(info: ContainerInfo) -> bool:
    """Return whether Docker should have started the container again, and does not because a start failed."""
    return info.status in {"exited", "dead"} and bool(info.error) and is_restarted_by_docker(info)


class EndedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A process that ended and that its owner starts again: the time of the end, the exit code, and the
    seconds that it ran."""

    ended: float
    exit_code: int
    seconds: float


def find_slow_loop(runs: Sequence[EndedRun], loop_window: float, now: float) -> tuple[EndedRun, ...]:
    """Return the runs that make a loop too slow for the loop window, or one that ends with 0. Empty if there
    is no such loop."""
    recent = [run for run in runs if 0 <= now - run.ended < SLOW_LOOP_WINDOWS * loop_window]
    failed = tuple(run for run in recent if run.exit_code != 0)
    if len(failed) >= MIN_SLOW_DEATHS:
        return failed
    clean = tuple(run for run in recent if run.exit_code == 0 and run.seconds < SHORT_RUN_SECONDS)
    return clean if len(clean) >= MIN_CLEAN_ENDS else ()


def is_calm(runs: Sequence[EndedRun], started_at: float, now: float) -> bool:
    """Return whether the process has run for more than twice the longest time between two ends of `runs`."""
    ends = [run.ended for run in runs]
    turns = [after - before for before, after in pairwise(ends)]
    return now - started_at > 2 * max(turns, default=0.0)
