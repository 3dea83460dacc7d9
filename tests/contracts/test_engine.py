"""The contract of Engine: the same cases with the simulated engine and the real one."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec
import pytest

from hemostat.core.model import PrunableItem, PrunableKind, Sample
from hemostat.errors import EngineError, NoSuchContainerError
from hemostat.ports import Engine
from hemostat.ports.engine import CPU_LIMIT, MEMORY_LIMIT
from tests.contracts.engine_lab import DockerLab, Lab, MemoryLab
from tests.support.engine_fixtures import SESSION, Listener, eventually, spec

UNKNOWN = "hs-test-there-is-no-such"
NO_CGROUPS = "the engine gives its containers no cgroups"
MISSING_LIMITS = "the host gives the engine no cgroup controllers of memory and CPU"
HEALTH = ("test", "!", "-e", "/tmp/sick")


@pytest.fixture(
    params=[
        "memory",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("podman", marks=[pytest.mark.docker, pytest.mark.own_engine]),
    ]
)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "memory":
        lab: Lab = MemoryLab()
    elif request.param == "docker":
        request.getfixturevalue("docker_workshop")
        lab = DockerLab()
    else:
        lab = DockerLab(request.getfixturevalue("podman_url"))
    try:
        yield lab
    finally:
        lab.tear_down()


def test_new_container_is_listed_and_found_by_labels(lab: Lab) -> None:
    container = lab.make(labels={"hemostat.window": "5s"})
    assert container in [info.ref.id for info in lab.engine.inspect_everything()]
    assert [info.ref.id for info in lab.workshop.find("hemostat.window=5s")] == [container]
    assert container in [info.ref.id for info in lab.workshop.find("hemostat.test")]
    assert lab.workshop.find("hemostat.window=6s") == []


def test_inspect_returns_the_containers_options(lab: Lab) -> None:
    container = lab.make(memory=64 << 20, cpus=0.5, restart_policy="on-failure", labels={"secret": "x"})
    info = lab.engine.inspect(container)
    assert (info.status, info.is_running, info.health) == ("running", True, None)
    assert info.memory_limit == lab.expect_limit(MEMORY_LIMIT, 64 << 20)
    assert info.cpu_limit == lab.expect_limit(CPU_LIMIT, 0.5)
    assert (info.restart_policy, info.restart_count) == ("on-failure", 0)
    assert info.ref.labels == {"hemostat.test": SESSION}
    assert info.ref.image == "hemostat-test:busybox"
    assert info.pid > 0
    assert 0 < info.started_at <= lab.now()
    assert lab.engine.inspect(info.ref.name) == info


def test_members_of_a_service_are_listed(lab: Lab) -> None:
    compose = {"com.docker.compose.project": SESSION, "com.docker.compose.service": "db"}
    db = lab.make(labels=compose)
    lab.make(labels={**compose, "com.docker.compose.service": "web"})
    assert [info.ref.id for info in lab.engine.inspect_service(SESSION, "db")] == [db]
    assert lab.engine.inspect_service(SESSION, "cache") == []


def test_container_without_limits_has_none(lab: Lab) -> None:
    info = lab.engine.inspect(lab.make())
    assert (info.memory_limit, info.cpu_limit, info.restart_policy) == (None, None, "no")


@pytest.mark.parametrize(
    "verb",
    [
        lambda engine: engine.inspect(UNKNOWN),
        lambda engine: engine.start(UNKNOWN),
        lambda engine: engine.stop(UNKNOWN),
        lambda engine: engine.restart(UNKNOWN),
        lambda engine: engine.restart(UNKNOWN, timeout=1),
        lambda engine: engine.update(UNKNOWN, cpus=1.0),
        lambda engine: engine.logs(UNKNOWN),
        lambda engine: engine.top(UNKNOWN),
        lambda engine: engine.exec(UNKNOWN, ["true"]),
        lambda engine: engine.writable_size(UNKNOWN),
    ],
    ids=["inspect", "start", "stop", "restart", "restart-now", "update", "logs", "top", "exec", "size"],
)
def test_unknown_container_is_named_in_the_error(lab: Lab, verb: Callable[[Engine], object]) -> None:
    with pytest.raises(NoSuchContainerError, match=UNKNOWN):
        verb(lab.engine)


def test_stopped_container_can_be_started(lab: Lab) -> None:
    container = lab.make()
    before = lab.engine.inspect(container)
    lab.engine.stop(container, timeout=5)
    stopped = lab.engine.inspect(container)
    assert (stopped.status, stopped.pid) == ("exited", 0)
    assert stopped.finished_at > before.started_at
    lab.engine.start(container)
    after = lab.engine.inspect(container)
    assert after.is_running
    assert after.started_at > stopped.finished_at


def test_restart_starts_a_new_process(lab: Lab) -> None:
    container = lab.make()
    before = lab.engine.inspect(container)
    lab.engine.restart(container, timeout=5)
    after = lab.engine.inspect(container)
    assert after.is_running
    assert after.started_at > before.started_at
    assert after.pid != before.pid


def test_start_and_stop_are_idempotent(lab: Lab) -> None:
    container = lab.make()
    before = lab.engine.inspect(container)
    lab.engine.start(container)
    assert lab.engine.inspect(container) == before
    lab.engine.stop(container)
    stopped = lab.engine.inspect(container)
    lab.engine.stop(container)
    assert lab.engine.inspect(container) == stopped


def test_crash_emits_a_die_event_with_the_exit_code(lab: Lab) -> None:
    container = lab.make()
    listener = lab.listen()
    lab.crash(container, 3)
    death = listener.wait_for(container, "die")
    assert death.exit_code == 3
    assert death.container.labels == {"hemostat.test": SESSION}
    assert death.container.name.startswith("hs-test-")
    assert set(listener.actions(container)) - {"cleanup"} == {"die"}
    eventually(lambda: lab.engine.inspect(container).exit_code == 3)


def wait_for_stop(lab: Lab, listener: Listener, container: str) -> None:
    listener.wait_for(container, "die")
    if lab.has_kill_events:
        listener.wait_for(container, "stop")


NEUTRAL_ACTIONS = {"create", "start", "destroy", "cleanup"}


def assert_requested(lab: Lab, listener: Listener, container: str) -> None:
    """Docker announces a requested stop by `kill`, and sends `stop` before or after `die`. Podman marks the
    container before the stop, and need not send `stop`."""
    actions = [each for each in listener.actions(container) if each not in NEUTRAL_ACTIONS]
    if lab.has_kill_events:
        # A process that has just begun may ignore the first signal, and gets another.
        assert (actions[0], set(actions)) == ("kill", {"die", "kill", "stop"})
    else:
        assert set(actions) - {"stop"} == {"die"}


def test_requested_stop_is_announced_before_it_or_marked(lab: Lab) -> None:
    container = lab.make()
    listener = lab.listen()
    lab.engine.stop(container, timeout=5)
    wait_for_stop(lab, listener, container)
    assert_requested(lab, listener, container)
    if lab.has_kill_events:
        assert listener.events(container)[0].signal == 15
    elif lab.marks_stops:
        assert lab.engine.was_stopped(container) is True
    else:
        eventually(lambda: listener.actions(container).count("cleanup") == 2)


def test_unrequested_exit_has_no_mark(lab: Lab) -> None:
    container = lab.make()
    listener = lab.listen()
    lab.crash(container, 3)
    listener.wait_for(container, "die")
    if lab.marks_stops:
        assert lab.engine.was_stopped(container) is False
    elif not lab.has_kill_events:
        listener.wait_for(container, "cleanup")
        assert listener.actions(container).count("cleanup") == 1
    assert lab.engine.was_stopped(UNKNOWN) is None


def test_restart_emits_stop_and_start_events(lab: Lab) -> None:
    container = lab.make()
    listener = lab.listen()
    lab.engine.restart(container, timeout=5)
    listener.wait_for(container, "start")
    assert listener.actions(container)[-1] == "start"
    assert_requested(lab, listener, container)


def test_removal_emits_a_destroy_event(lab: Lab) -> None:
    container = lab.make()
    listener = lab.listen()
    lab.workshop.remove(container)
    listener.wait_for(container, "destroy")
    assert set(listener.actions(container)) - {"kill", "stop", "cleanup"} == {"die", "destroy"}
    (death,) = (each for each in listener.events(container) if each.action == "die")
    assert death.exit_code in {0, 137}  # Podman lets the process end by itself.


def test_events_since_a_past_time_start_there(lab: Lab) -> None:
    begin = lab.now()
    container = lab.make()
    lab.engine.stop(container, timeout=5)
    listener = lab.listen(since=begin)
    wait_for_stop(lab, listener, container)
    assert listener.actions(container)[:2] == ["create", "start"]
    assert_requested(lab, listener, container)
    assert all(event.time >= begin for event in listener.events(container))


def test_restart_policy_restarts_and_counts(lab: Lab) -> None:
    container = lab.make(restart_policy="on-failure")
    listener = lab.listen()
    lab.crash(container, 3)
    listener.wait_for(container, "start")
    assert listener.actions(container) == ["die", "start"]
    eventually(lambda: lab.engine.inspect(container).restart_count == 1)
    assert lab.engine.inspect(container).is_running


def test_health_changes_with_fault_and_restart(lab: Lab) -> None:
    if not lab.runs_health_checks:
        pytest.skip("nothing runs health checks here: Podman needs systemd")
    container = lab.make(health=HEALTH)
    listener = lab.listen()
    eventually(lambda: lab.engine.inspect(container).health == "healthy")
    lab.sicken(container)
    listener.wait_for(container, "unhealthy")
    assert lab.engine.inspect(container).health == "unhealthy"
    lab.engine.restart(container)
    eventually(lambda: lab.engine.inspect(container).health == "healthy")


def test_counters_grow_while_the_container_spins(lab: Lab) -> None:
    if not lab.has_cgroups:
        pytest.skip(NO_CGROUPS)
    if MEMORY_LIMIT in lab.missing_limits:
        pytest.skip(MISSING_LIMITS)
    info = lab.engine.inspect(lab.make())
    lab.spin(info.ref.id)

    def sample() -> Sample:
        (found,) = lab.sampler.sample([info], lab.now())
        return found

    first = sample()
    assert first.container_id == info.ref.id
    assert first.memory > 0
    eventually(lambda: sample().cpu > first.cpu + 0.1)


def test_stopped_container_has_no_counters(lab: Lab) -> None:
    container = lab.make()
    running = lab.engine.inspect(container)
    lab.engine.stop(container)
    assert lab.sampler.sample([running, lab.engine.inspect(container)], lab.now()) == []


def test_limits_can_be_raised_and_lowered(lab: Lab) -> None:
    if not lab.updates_limits:
        pytest.skip("Podman before 5 has no update in its Docker API")
    if lab.missing_limits & {MEMORY_LIMIT, CPU_LIMIT}:
        pytest.skip(MISSING_LIMITS)
    if not lab.has_cgroups:
        pytest.skip(NO_CGROUPS)
    container = lab.make(memory=64 << 20, cpus=0.5)
    lab.engine.update(container, cpus=1.5, memory=256 << 20)
    raised = lab.engine.inspect(container)
    assert (raised.cpu_limit, raised.memory_limit) == (1.5, 256 << 20)
    lab.engine.update(container, memory=128 << 20)
    lowered = lab.engine.inspect(container)
    assert (lowered.cpu_limit, lowered.memory_limit) == (1.5, 128 << 20)


def test_exec_gives_the_exit_code_and_both_streams(lab: Lab) -> None:
    code, output = lab.engine.exec(lab.make(), ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert code == 3
    assert sorted(output.split()) == ["err", "out"]


def test_command_that_takes_too_long_times_out(lab: Lab) -> None:
    with pytest.raises(EngineError, match=r"not done within 0\.5 s") as caught:
        lab.engine.exec(lab.make(), ["sh", "-c", "sleep 5"], timeout=0.5)
    assert not caught.value.transient


def test_top_returns_command_lines_of_processes(lab: Lab) -> None:
    if not lab.has_cgroups and lab.has_kill_events:
        pytest.skip(NO_CGROUPS)
    container = lab.make()
    assert any("while sleep" in line for line in lab.engine.top(container))
    lab.engine.stop(container)
    with pytest.raises(EngineError):
        lab.engine.top(container)


def test_the_writable_layer_is_measured(lab: Lab) -> None:
    container = lab.make()
    before = lab.engine.writable_size(container)
    lab.write(container, 300_000)
    assert lab.engine.writable_size(container) - before >= 300_000


def reclaimable(lab: Lab, **labels: str) -> dict[str, PrunableItem]:
    """Return the reclaimable objects of this session by id, without those of other sessions."""
    labels = {"hemostat.test": SESSION, **{f"hemostat.{key}": value for key, value in labels.items()}}
    return {leftover.id: leftover for leftover in lab.engine.list_reclaimable(labels)}


def test_stopped_container_is_prunable_with_size_and_time(lab: Lab) -> None:
    running, stopped = lab.make(), lab.make(labels={"hemostat.batch": "mine"})
    lab.write(stopped, 300_000)
    lab.engine.stop(stopped)
    found = reclaimable(lab)
    assert running not in found
    info = lab.engine.inspect(stopped)
    assert (found[stopped].what, found[stopped].name) == (PrunableKind.CONTAINER, info.ref.name)
    assert found[stopped].since == info.finished_at
    assert found[stopped].size >= 300_000
    assert list(reclaimable(lab, batch="mine")) == [stopped]
    assert reclaimable(lab, batch="yours") == {}


def test_discard_removes_stopped_and_keeps_running_containers(lab: Lab) -> None:
    gone, again = lab.make(), lab.make()
    for container in (gone, again):
        lab.write(container, 300_000)
        lab.engine.stop(container)
    found = reclaimable(lab)
    lab.engine.start(again)
    assert lab.engine.discard(found[gone]) >= 300_000
    assert lab.engine.discard(found[gone]) == 0
    assert lab.engine.discard(found[again]) == 0
    left = {info.ref.id for info in lab.workshop.find(f"hemostat.test={SESSION}")}
    assert {gone, again} & left == {again}


def test_running_members_of_a_network_are_listed(lab: Lab) -> None:
    owner = lab.make()
    sharer, stopped = (lab.make(network=f"container:{owner}") for _ in range(2))
    lab.engine.stop(stopped)
    found = {info.ref.id: info for info in lab.engine.list_attached()}
    assert {owner, sharer, stopped} & found.keys() == {sharer}
    assert found[sharer].network_mode == f"container:{owner}"
    assert found[sharer] == lab.engine.inspect(sharer)


def test_missing_service_is_refused(lab: Lab) -> None:
    with pytest.raises(EngineError):
        lab.engine.read_service(UNKNOWN)
    with pytest.raises(EngineError):
        lab.engine.set_replicas(UNKNOWN, 2)


def compose(project: str, number: int) -> dict[str, str]:
    return {
        "com.docker.compose.project": project,
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": str(number),
        "com.docker.compose.oneoff": "False",
        "hemostat.scale.max": "3",
    }


def test_compose_service_is_scaled_up_and_down(lab: Lab) -> None:
    project = f"hs-test-{secrets.token_hex(4)}"
    names = [f"{project}_web_{number}" for number in (1, 2, 3)]
    first = lab.make(name=names[0], labels=compose(project, 1), memory=64 << 20, environment={"A": "b"})
    for name in names[1:]:
        lab.adopt(name)
    identity = f"compose:{project}/web"
    before = lab.engine.read_service(identity)
    assert (before.name, before.replicas, before.labels["hemostat.scale.max"]) == ("web", 1, "3")
    lab.engine.set_replicas(identity, 3)
    lab.engine.set_replicas(identity, 3)
    made = {info.ref.name: info for info in lab.engine.inspect_everything() if info.ref.project == project}
    assert sorted(made) == names
    assert all(
        info.is_running and info.memory_limit == lab.expect_limit(MEMORY_LIMIT, 64 << 20)
        for info in made.values()
    )
    assert lab.engine.read_service(identity).replicas == 3
    lab.engine.set_replicas(identity, 2)
    assert [lab.engine.inspect(name).is_running for name in names[:2]] == [True, True]
    lab.engine.set_replicas(identity, 0)
    left = [info.ref.id for info in lab.engine.inspect_everything() if info.ref.project == project]
    assert left == [first]


def test_compose_service_without_a_replica_is_refused(lab: Lab) -> None:
    with pytest.raises(EngineError):
        lab.engine.read_service(f"compose:{UNKNOWN}/web")


def test_second_removal_is_tolerated(lab: Lab) -> None:
    container = lab.make()
    lab.workshop.remove(container)
    lab.workshop.remove(container)
    with pytest.raises(NoSuchContainerError):
        lab.engine.inspect(container)


def test_second_container_of_the_same_name_is_refused(lab: Lab) -> None:
    name = lab.engine.inspect(lab.make()).ref.name
    with pytest.raises(EngineError, match="already in use"):
        lab.workshop.run(msgspec.structs.replace(spec(), name=name))


def test_engine_reports_its_version(lab: Lab) -> None:
    version = lab.engine.version()
    assert version.cpus > 0
    assert version.memory > 0
    assert version.root.startswith("/")


def test_close_ends_the_events(lab: Lab) -> None:
    listener = lab.listen()
    lab.engine.close()
    assert listener.join()


def test_details_contain_the_containers_configuration(lab: Lab) -> None:
    container = lab.make(memory=64 << 20, cpus=0.5, environment={"MODE": "fast", "API_KEY": "abc"})
    details = lab.engine.read_details(container)
    assert details.command[:2] == ("sh", "-c")
    assert (details.memory_limit, details.restart_policy) == (lab.expect_limit(MEMORY_LIMIT, 64 << 20), "no")
    assert details.cpu_limit == lab.expect_limit(CPU_LIMIT, 0.5)
    assert details.networks in {("bridge",), ("podman",), ()}
    assert {"MODE": "fast", "API_KEY": "abc"}.items() <= details.environment.items()
    with pytest.raises(NoSuchContainerError):
        lab.engine.read_details(UNKNOWN)


def test_log_is_opened_from_its_end_and_followed(lab: Lab) -> None:
    container = lab.make()
    lab.print_lines(container, "one", "two", "three")
    eventually(lambda: len(list(lab.engine.open_log(container))) == 3)
    every_line = list(lab.engine.open_log(container))
    assert [line[31:] for line in every_line] == [b"one", b"two", b"three"]
    assert all(line[29:31] == b"Z " for line in every_line)
    assert sorted(line[:30] for line in every_line) == [line[:30] for line in every_line]
    assert list(lab.engine.open_log(container, tail=1)) == every_line[-1:]
    assert list(lab.engine.open_log(container, since=lab.now() + 60)) == []
    stream, received = lab.engine.open_log(container, tail=1, follow=True), []

    def read() -> None:
        with suppress(EngineError):  # the stream is closed while it is read
            for line in stream:
                received.append(line[31:])  # noqa: PERF401 - a list that is extended is empty until the end

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(0.3)
    lab.print_lines(container, "four")
    eventually(lambda: list(lab.engine.open_log(container, tail=1))[-1].endswith(b"four"))
    time.sleep(0.3)
    assert reader.is_alive()
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert received == [b"three", b"four"]


def test_unknown_log_is_named_in_the_error(lab: Lab) -> None:
    with pytest.raises(NoSuchContainerError, match=UNKNOWN):
        list(lab.engine.open_log(UNKNOWN))
