"""Owners that may restart a container, and which of their loops are reported."""

import pytest

from hemostat.core.detection.restart_owner import (
    EndedRun,
    find_orchestrator,
    find_replacements,
    find_slow_loop,
    get_workload_key,
    is_calm,
    is_restarted_by_docker,
)
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo
from tests.support.samples import NOW


def made(name: str = "web", **labels: str):
    return build_reference(name, name, "", {key.replace("__", "."): value for key, value in labels.items()})


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("com.docker.swarm.task.name", "Swarm"),
        ("io.kubernetes.pod.name", "Kubernetes"),
        ("annotation.io.kubernetes.container.hash", "Kubernetes"),
        ("com.hashicorp.nomad.alloc_id", "Nomad"),
        ("com.amazonaws.ecs.task-arn", "ECS"),
        ("PODMAN_SYSTEMD_UNIT", "systemd"),
        ("io.balena.supervised", "balena"),
        ("io.hass.type", "Home Assistant"),
    ],
)
def test_orchestrator_is_known_by_labels_in_events(label, name):
    owner = find_orchestrator(build_reference("c", "c", "", {label: "x"}))
    assert owner is not None
    assert owner.name == name


POD = {
    "io.kubernetes.pod.name": "web-0",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": "6f1c",
}
TASK = {
    "com.amazonaws.ecs.cluster": "shop",
    "com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:1:task/shop/6f1c",
    "com.amazonaws.ecs.task-definition-family": "web",
    "com.amazonaws.ecs.task-definition-version": "3",
}


@pytest.mark.parametrize(
    ("name", "labels", "owner"),
    [
        (
            "k8s_web_web-0_shop_6f1c_0",
            {
                **POD,
                "io.kubernetes.container.name": "web",
                "io.kubernetes.docker.type": "container",
                "annotation.io.kubernetes.container.hash": "d1",
            },
            "Kubernetes",
        ),
        ("k8s_POD_web-0_shop_6f1c_0", {**POD, "io.kubernetes.docker.type": "podsandbox"}, "Kubernetes"),
        ("web-6f1c", {"com.hashicorp.nomad.alloc_id": "6f1c"}, "Nomad"),
        ("nomad_init_6f1c", {"com.hashicorp.nomad.alloc_id": "6f1c"}, "Nomad"),
        ("ecs-web-3-web-a2", {**TASK, "com.amazonaws.ecs.container-name": "web"}, "ECS"),
        (
            "ecs-web-3-internalecspause-a2",
            {**TASK, "com.amazonaws.ecs.container-name": "~internal~ecs~pause"},
            "ECS",
        ),
    ],
)
def test_containers_and_sandboxes_of_orchestrators_are_theirs(name, labels, owner):
    found = find_orchestrator(build_reference(name, name, "web", labels))
    assert found is not None
    assert found.name == owner


@pytest.mark.parametrize(
    "label",
    [
        "com.docker.compose.project",
        "hemostat.job",
        "io.kubernetesque",
        "com.dokku.app-name",
        "coolify.managed",
        "io.portainer.agent",
        "io.x-k8s.kind.cluster",
    ],
)
def test_programs_that_restart_nothing_are_no_restart_owners(label):
    assert find_orchestrator(build_reference("c", "c", "", {label: "x"})) is None


def test_other_labels_of_an_orchestrator_are_dropped():
    secret = {"io.kubernetes.container.preStopHandler": "curl -u a:b", "com.hashicorp.nomad.token": "x"}
    assert build_reference("c", "c", "", secret).labels == {}


def task(slot: int, task_id: str):
    labels = {"com.docker.swarm.service.name": "p", "com.docker.swarm.task.name": f"p.{slot}.{task_id}"}
    return build_reference(task_id, f"p.{slot}.{task_id}", "", labels)


@pytest.mark.parametrize(
    ("labels", "own", "forged"),
    [
        (
            {"com.docker.swarm.service.name": "p", "com.docker.swarm.task.name": "p.1.x"},
            {"com.docker.swarm.service.id": "drawn"},
            {"com.docker.swarm.service.id": "p"},
        ),
        (
            {"io.kubernetes.pod.name": "web-0", "io.kubernetes.container.name": "web"},
            {"io.kubernetes.pod.uid": "drawn"},
            {},
        ),
        ({"PODMAN_SYSTEMD_UNIT": "web.service"}, {}, {}),
        ({"io.hass.type": "addon", "io.hass.name": "mqtt"}, {}, {}),
    ],
)
def test_container_with_copied_labels_is_not_a_replacement(labels, own, forged):
    victim = build_reference("v", "web", "web:1", {**labels, **own})
    evil = ContainerInfo(
        ref=build_reference("e", "evil", "evil:1", {**labels, **forged}),
        status="running",
        started_at=NOW + 5,
        created_at=NOW + 4,
    )
    again = ContainerInfo(
        ref=build_reference("w", "web", "web:1", {**labels, **own}),
        status="running",
        started_at=NOW + 5,
        created_at=NOW + 4,
    )
    assert find_replacements(victim, NOW, [evil]) == []
    assert find_replacements(victim, NOW, [evil, again]) == [again]
    assert get_workload_key(evil.ref) != get_workload_key(victim)


def test_replacement_fills_the_same_slot_and_another_replica_does_not():
    assert get_workload_key(task(1, "a")) == get_workload_key(task(1, "b")) != get_workload_key(task(2, "c"))
    running = ContainerInfo(ref=task(2, "c"), status="running", started_at=NOW + 5, created_at=NOW + 4)
    assert not find_replacements(task(1, "a"), NOW, [running])
    again = ContainerInfo(ref=task(1, "b"), status="running", started_at=NOW + 5, created_at=NOW + 4)
    assert find_replacements(task(1, "a"), NOW, [running, again])


@pytest.mark.parametrize(
    ("policy", "count", "code", "restarts"),
    [
        ("no", 0, 1, False),
        ("always", 9, 0, True),
        ("unless-stopped", 9, 1, True),
        ("on-failure", 9, 1, True),
        ("on-failure", 9, 0, False),
        ("on-failure:3", 2, 1, True),
        ("on-failure:3", 3, 1, False),
    ],
)
def test_docker_restarts_by_policy_code_and_count(policy, count, code, restarts):
    name, _, most = policy.partition(":")
    info = ContainerInfo(
        ref=made(), status="exited", restart_policy=name, max_retries=int(most or 0), restart_count=count
    )
    assert is_restarted_by_docker(info, code) is restarts


def runs(every: float, count: int, *, code: int, seconds: float) -> list[EndedRun]:
    return [EndedRun(ended=NOW - every * n, exit_code=code, seconds=seconds) for n in reversed(range(count))]


@pytest.mark.parametrize(
    ("made", "loop"),
    [
        (runs(2.5, 8, code=0, seconds=2), True),
        (runs(60, 8, code=0, seconds=0.1), True),
        (runs(2.5, 7, code=0, seconds=2), False),
        (runs(300, 12, code=0, seconds=299), False),
        (runs(3600, 20, code=0, seconds=3600), False),
        (runs(420, 5, code=1, seconds=419), True),
        (runs(420, 4, code=1, seconds=419), False),
        (runs(1800, 9, code=1, seconds=1799), False),
    ],
)
def test_slow_loop_is_many_failures_or_short_clean_runs_in_an_hour(made, loop):
    assert bool(find_slow_loop(made, 300.0, NOW)) is loop


def test_slow_loop_is_over_after_a_run_of_two_turns():
    past = runs(420, 5, code=1, seconds=419)
    assert not is_calm(past, NOW - 500, NOW)
    assert is_calm(past, NOW - 900, NOW)
