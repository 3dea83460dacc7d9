"""What an action does: the same on the simulated and on a real engine."""

from collections.abc import Iterator

import pytest

from hemostat.agents.responder.action_executor import (
    MAX_OUTPUT_CHARACTERS,
    ActionExecutor,
    ActionPlan,
    ActionResult,
)
from hemostat.agents.responder.network_restart import MAX_SECONDS
from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, PrunableItem, PrunableKind, Service
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TrustSettings
from hemostat.errors import EngineError, EngineUnreachableError, NotApplicableError
from hemostat.events import Action, Container, Evidence, Kind, RemediationNeeded
from tests.contracts.engine_lab import DockerLab, Lab, MemoryLab
from tests.support.clock import FakeClock
from tests.support.engine_fixtures import SESSION, Listener
from tests.support.samples import DIAGNOSIS, alert, composed

MIB = 1 << 20
DEFAULT_LIMITS = ResponderSettings()
HOST = Container(id="", name="host")
SLOW = ("sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.05; done")
"""Takes two seconds to stop."""


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.docker)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "docker":
        request.getfixturevalue("docker_workshop")
    lab = DockerLab() if request.param == "docker" else MemoryLab()
    try:
        yield lab
    finally:
        lab.tear_down()


@pytest.fixture
def docker_lab(docker_workshop) -> Iterator[DockerLab]:
    lab = DockerLab()
    yield lab
    lab.tear_down()


@pytest.fixture
def memory_lab() -> Iterator[MemoryLab]:
    lab = MemoryLab()
    yield lab
    lab.tear_down()


def surgeon(
    lab: Lab, limits: ResponderSettings = DEFAULT_LIMITS, *, ahead: float = 0.0, **options: object
) -> ActionExecutor:
    """Minds this session's containers alone; its clock may run `ahead`."""
    labels = {"hemostat.test": SESSION, **options.pop("labels", {})}
    return ActionExecutor(lab.engine, FakeClock(lab.now() + ahead), limits, labels=labels, **options)


def asked(action: Action, container: Container = HOST, **parameters: float | str | bool) -> RemediationNeeded:
    told = alert(container=container, kind=Kind.EXITED, evidence=(Evidence("x", 1.0),))
    return RemediationNeeded(alert=told, action=action, diagnosis=DIAGNOSIS, parameters=parameters)


def operate(lab: Lab, action: Action, container: str, **options: object) -> ActionResult:
    found = lab.engine.inspect(container)
    parameters = options.pop("parameters", {})
    return options.pop("by", surgeon(lab)).perform(asked(action, found.ref, **parameters), found, **options)


def plan(
    lab: Lab, action: Action, container: str, by: ActionExecutor | None = None, **parameters: str
) -> ActionPlan:
    found = lab.engine.inspect(container)
    return (by or surgeon(lab)).plan(asked(action, found.ref, **parameters), found)


def start_of(lab: Lab, container: str) -> float:
    return lab.engine.inspect(container).started_at


# --- restart, start ---------------------------------------------------------------------------------


def test_running_container_is_restarted_and_dead_one_started(lab):
    container = lab.make()
    before = start_of(lab, container)
    operate(lab, Action.RESTART, container)
    between = start_of(lab, container)
    lab.engine.stop(container)
    operate(lab, Action.RESTART, container)
    assert before < between < start_of(lab, container)
    assert lab.engine.inspect(container).is_running


def test_completed_restart_is_not_repeated(lab):
    container = lab.make()
    since = start_of(lab, container)
    operate(lab, Action.RESTART, container, since=since)
    done = start_of(lab, container)
    operate(lab, Action.RESTART, container, since=since)
    assert start_of(lab, container) == done


@pytest.mark.docker
@pytest.mark.parametrize(("patience", "code"), [("1s", 137), ("10s", 0)])
def test_restart_uses_the_stop_timeout_of_the_label(docker_lab, patience, code):
    container = docker_lab.make(command=SLOW, labels={"hemostat.stop_timeout": patience})
    listener: Listener = docker_lab.listen()
    operate(docker_lab, Action.RESTART, container)
    assert listener.wait_for(container, "die").exit_code == code


def test_network_members_are_restarted_after_the_owner(lab):
    owner = lab.make()
    network = f"container:{owner}"
    database = lab.make(network=network)
    name = lab.engine.inspect(database).ref.name
    app = lab.make(network=network, labels={"hemostat.depends_on": name})
    stopped, other = lab.make(network=network), lab.make()
    lab.engine.stop(stopped)
    before = start_of(lab, other)
    done = operate(lab, Action.RESTART, owner)
    times = [start_of(lab, container) for container in (owner, database, app)]
    assert times == sorted(times)
    assert not lab.engine.inspect(stopped).is_running
    assert start_of(lab, other) == before
    assert done.detail.index(name) < done.detail.index(lab.engine.inspect(app).ref.name)


def test_interrupted_reattachment_is_completed(lab):
    owner = lab.make()
    sharer = lab.make(network=f"container:{owner}")
    since = start_of(lab, owner)
    lab.engine.restart(owner)
    restarted = start_of(lab, owner)
    done = operate(lab, Action.RESTART, owner, since=since)
    assert start_of(lab, owner) == restarted < start_of(lab, sharer)
    assert "re-attached to its network" in done.detail
    assert operate(lab, Action.RESTART, owner, since=since).detail == ""


def test_protected_network_member_is_named_and_not_restarted(lab):
    owner = lab.make()
    network = f"container:{owner}"
    labels = {"hemostat.protect": "true"}, {"hemostat.enable": "false"}, {}
    kept = [lab.make(network=network, labels=each) for each in labels]
    before = [start_of(lab, container) for container in kept]
    named = lab.engine.inspect(kept[2]).ref.name
    done = operate(lab, Action.RESTART, owner, by=surgeon(lab, ResponderSettings(protect=(named,))))
    assert [start_of(lab, container) for container in kept] == before
    assert all(
        f"{lab.engine.inspect(container).ref.name} has no network" in done.detail for container in kept
    )


def test_network_member_of_an_orchestrator_is_not_restarted(memory_lab):
    owner = memory_lab.make()
    labels = {"PODMAN_SYSTEMD_UNIT": "web.service"}
    sharer = memory_lab.make(network=f"container:{owner}", labels=labels)
    before, name = start_of(memory_lab, sharer), memory_lab.engine.inspect(sharer).ref.name
    assert (
        operate(memory_lab, Action.RESTART, owner).detail
        == f"{name} has no network: it is managed by systemd"
    )
    assert start_of(memory_lab, sharer) == before
    operate(memory_lab, Action.RESTART, owner, by=surgeon(memory_lab, ResponderSettings(orchestrated=True)))
    assert start_of(memory_lab, sharer) > before


def test_paused_network_member_is_named_and_not_restarted(memory_lab):
    owner = memory_lab.make()
    sharer = memory_lab.make(network=f"container:{owner}")
    before, name = start_of(memory_lab, sharer), memory_lab.engine.inspect(sharer).ref.name
    by = surgeon(memory_lab, paused=lambda paused: paused == name)
    done = operate(memory_lab, Action.RESTART, owner, by=by)
    assert done.detail == f"{name} has no network: it is paused"
    assert start_of(memory_lab, sharer) == before


@pytest.mark.parametrize(("shared", "inspections"), [(False, 0), (True, 2)])
def test_start_inspects_only_where_a_network_is_shared(memory_lab, monkeypatch, shared, inspections):
    """The owner of the network, and the container that shares it."""
    owner, calls = memory_lab.make(), []
    if shared:
        memory_lab.make(network=f"container:{owner}")
    found, by, inspect = memory_lab.engine.inspect(owner), surgeon(memory_lab), memory_lab.fake.inspect
    monkeypatch.setattr(memory_lab.fake, "inspect", lambda each: calls.append(each) or inspect(each))
    by.perform(asked(Action.RESTART, found.ref), found)
    assert len(calls) == inspections


def test_member_stopped_by_a_person_is_not_reattached(memory_lab):
    owner = memory_lab.make()
    sharers = [memory_lab.make(network=f"container:{owner}") for _ in range(2)]
    first, second = sorted(sharers, key=lambda each: memory_lab.engine.inspect(each).ref.name)
    restart = memory_lab.fake.restart

    def restart_and_stop(container: str, timeout: float | None = None) -> None:
        restart(container, timeout)
        if container == first:
            memory_lab.engine.stop(second)

    memory_lab.fake.restart = restart_and_stop
    operate(memory_lab, Action.RESTART, owner)
    assert not memory_lab.engine.inspect(second).is_running


@pytest.mark.docker
def test_network_member_is_attached_again(docker_lab):
    def addresses(container: str) -> str:
        return docker_lab.engine.exec(container, ["ip", "-o", "-4", "addr", "show", "eth0"])[1]

    owner = docker_lab.make()
    sharer = docker_lab.make(network=f"container:{owner}")
    docker_lab.engine.restart(owner)
    assert "inet " not in addresses(sharer)
    operate(docker_lab, Action.RESTART, owner)
    assert "inet " in addresses(sharer)
    assert addresses(sharer).split()[3] == addresses(owner).split()[3]


def refused(memory_lab, labels: dict[str, str]) -> tuple[str, str]:
    """A container whose network two others share, of which the one whose name comes first cannot be
    restarted; the container, and what is to be told."""
    owner = memory_lab.make(labels=composed("vpn"))
    sharers = [memory_lab.make(network=f"container:{owner}", labels=labels) for _ in range(2)]
    names = sorted(memory_lab.engine.inspect(container).ref.name for container in sharers)
    restart = memory_lab.fake.restart

    def refuse(container: str, timeout: float | None = None) -> None:
        if memory_lab.engine.inspect(container).ref.name == names[0]:
            raise EngineError("no such image")
        restart(container, timeout)

    memory_lab.fake.restart = refuse
    told = f"{names[1]} re-attached to its network", f"{names[0]} not re-attached: no such image"
    return owner, "; ".join(told if labels else reversed(told))


def test_failed_reattachment_is_reported_and_others_continue(memory_lab):
    owner, told = refused(memory_lab, composed("app"))
    with pytest.raises(EngineError, match=told):
        operate(
            memory_lab, Action.RESTART, owner, by=surgeon(memory_lab, trust=TrustSettings(labels="compose"))
        )


def test_labels_alone_make_no_reattachment_a_failure(memory_lab):
    owner, told = refused(memory_lab, composed("app"))
    assert sorted(operate(memory_lab, Action.RESTART, owner).detail.split("; ")) == sorted(told.split("; "))


def test_failed_reattachment_of_a_stranger_is_not_a_failure(memory_lab):
    owner, told = refused(memory_lab, {})
    assert sorted(operate(memory_lab, Action.RESTART, owner).detail.split("; ")) == sorted(told.split("; "))


@pytest.mark.parametrize("labels", [{}, composed("vpn")])
def test_network_members_share_a_limited_time(memory_lab, labels):
    owner = memory_lab.make(labels=composed("vpn"))
    for _ in range(30):
        memory_lab.make(network=f"container:{owner}", labels={**labels, "hemostat.stop_timeout": "100s"})
    restart, by, given = memory_lab.fake.restart, surgeon(memory_lab), []

    def slow(container: str, timeout: float | None = None) -> None:
        if container != owner:
            given.append(timeout)
            by._clock.advance(timeout + 2)
        restart(container, timeout)

    memory_lab.fake.restart = slow
    began = by._clock.now()
    detail = operate(memory_lab, Action.RESTART, owner, by=by).detail
    assert by._clock.now() - began <= MAX_SECONDS + 3
    assert 5 < len(given) < 30
    assert max(given) <= 1.0
    assert detail.endswith("and 20 more")


def test_single_network_member_has_its_own_stop_timeout(memory_lab):
    owner = memory_lab.make()
    member = memory_lab.make(network=f"container:{owner}", labels={"hemostat.stop_timeout": "20s"})
    restart, given = memory_lab.fake.restart, {}

    def note(container: str, timeout: float | None = None) -> None:
        given[container] = timeout
        restart(container, timeout)

    memory_lab.fake.restart = note
    operate(memory_lab, Action.RESTART, owner)
    assert given[member] == 20.0


# --- scale ------------------------------------------------------------------------------------------


def test_memory_and_cpu_limits_are_raised_and_restored(lab):
    container = lab.make(memory=64 * MIB, cpus=0.5, labels={"hemostat.scale.memory_max": "80m"})
    by = surgeon(lab, ResponderSettings(scale_cpu_max=0.7))
    memory = plan(lab, Action.SCALE, container, by, resource="memory")
    assert memory.detail == "memory 64.0 MiB → 80.0 MiB"
    for scaled in (memory.scaled, plan(lab, Action.SCALE, container, by, resource="cpu").scaled):
        assert operate(lab, Action.SCALE, container, by=by, scaled=scaled).detail.startswith(scaled.resource)
        assert by.read_current(scaled) == scaled.after
    info = lab.engine.inspect(container)
    assert (info.memory_limit, info.cpu_limit) == (80 * MIB, 0.7)
    assert by.scale_back(memory.scaled).detail == "memory 80.0 MiB → 64.0 MiB"
    assert lab.engine.inspect(container).memory_limit == 64 * MIB


def test_raised_limit_is_not_raised_again(lab):
    container = lab.make(memory=64 * MIB, labels={"hemostat.scale.memory_max": "1g"})
    scaled = plan(lab, Action.SCALE, container, resource="memory").scaled
    for _ in range(2):
        detail = operate(lab, Action.SCALE, container, scaled=scaled).detail
        assert detail == "memory 64.0 MiB → 96.0 MiB"
        assert lab.engine.inspect(container).memory_limit == 96 * MIB


def test_limit_changed_by_others_is_not_restored(lab):
    container = lab.make(memory=64 * MIB, labels={"hemostat.scale.memory_max": "1g"})
    scaled = plan(lab, Action.SCALE, container, resource="memory").scaled
    lab.engine.update(container, memory=72 * MIB)
    with pytest.raises(NotApplicableError, match="changed by another program"):
        operate(lab, Action.SCALE, container, scaled=scaled)
    with pytest.raises(NotApplicableError, match="changed by another program"):
        surgeon(lab).scale_back(scaled)
    assert lab.engine.inspect(container).memory_limit == 72 * MIB


def test_container_without_a_limit_is_not_scaled(lab):
    with pytest.raises(NotApplicableError, match="no cpu limit"):
        operate(lab, Action.SCALE, lab.make(), parameters={"resource": "cpu"})


@pytest.mark.parametrize("orchestrated", [False, True])
def test_scaling_starts_no_dead_container_of_an_orchestrator(memory_lab, orchestrated):
    labels = {"com.docker.swarm.service.id": "s1", "hemostat.scale.memory_max": "1g"}
    container = memory_lab.make(labels=labels, memory=64 * MIB)
    memory_lab.engine.stop(container)
    by = surgeon(memory_lab, ResponderSettings(orchestrated=orchestrated))
    if orchestrated:
        operate(memory_lab, Action.SCALE, container, by=by, parameters={"resource": "memory"})
    else:
        with pytest.raises(NotApplicableError, match="it is exited, and only Swarm starts it"):
            plan(memory_lab, Action.SCALE, container, by, resource="memory")
        with pytest.raises(NotApplicableError, match="only Swarm starts it"):
            operate(memory_lab, Action.SCALE, container, by=by, parameters={"resource": "memory"})
    assert memory_lab.engine.inspect(container).is_running is orchestrated


def test_removed_container_has_no_limit_to_restore(lab):
    gone = RaisedLimit(container="0" * 64, resource=Resource.MEMORY, before=1, after=2, time=0)
    assert surgeon(lab).read_current(gone) is None
    with pytest.raises(NotApplicableError):
        surgeon(lab).scale_back(gone)


def test_swarm_service_is_scaled_up_and_down(memory_lab):
    labels = {"com.docker.swarm.service.id": "s1", "hemostat.scale.max": "4", "hemostat.scale.min": "2"}
    memory_lab.fake.services["s1"] = Service(id="s1", name="shop", replicas=2, labels={})
    container, by = memory_lab.make(labels=labels, memory=64 * MIB), surgeon(memory_lab)
    scaled = plan(memory_lab, Action.SCALE, container, by, resource="cpu").scaled
    assert operate(memory_lab, Action.SCALE, container, by=by, scaled=scaled).detail == "replicas 2 → 3"
    assert memory_lab.engine.read_service("s1").replicas == 3
    assert by.scale_back(scaled).detail == "replicas 3 → 2"
    assert memory_lab.engine.read_service("s1").replicas == 2


def test_compose_service_is_scaled_up_to_its_label(memory_lab):
    labels = composed(**{"hemostat.scale.max": "2"})
    container = memory_lab.make(name="shop-web-1", labels=labels, cpus=0.5)
    by = surgeon(memory_lab)
    scaled = plan(memory_lab, Action.SCALE, container, by, resource="cpu").scaled
    assert operate(memory_lab, Action.SCALE, container, by=by, scaled=scaled).detail == "replicas 1 → 2"
    assert by.read_current(scaled) == 2
    with pytest.raises(NotApplicableError, match="has 2 replicas, the ceiling is 2"):
        plan(memory_lab, Action.SCALE, container, by, resource="cpu")
    assert by.scale_back(scaled).detail == "replicas 2 → 1"
    assert [info.ref.id for info in memory_lab.engine.inspect_everything()] == [container]


def test_container_without_config_hash_is_not_a_replica(memory_lab):
    labels = {**composed(), "com.docker.compose.config-hash": "", "hemostat.scale.max": "4"}
    memory_lab.make(name="shop-web-1", labels=composed())
    evil = memory_lab.make(name="evil-9", labels=labels, cpus=0.5)
    with pytest.raises(NotApplicableError, match="to no service"):
        plan(memory_lab, Action.SCALE, evil, resource="replicas")


def test_forged_replica_is_the_only_container_copied(memory_lab):
    secret = {"DB_PASSWORD": "x"}
    memory_lab.make(name="shop-web-1", labels=composed(), environment=secret)
    labels = {**composed(config="0"), "hemostat.scale.max": "4"}
    evil = memory_lab.make(name="evil-9", labels=labels, cpus=0.5)
    operate(memory_lab, Action.SCALE, evil, parameters={"resource": "cpu"})
    made = {
        info.ref.name: memory_lab.engine.read_details(info.ref.id)
        for info in memory_lab.engine.inspect_everything()
    }
    assert len(made) == 3
    assert [name for name, details in made.items() if details.environment] == ["shop-web-1"]


@pytest.mark.parametrize("service", ["s1", "shopweb"])
def test_forged_task_does_not_scale_a_swarm_service(memory_lab, service):
    memory_lab.fake.services[service] = Service(id="s1", name="shop_web", replicas=2, members=("a" * 64,))
    labels = {"com.docker.swarm.service.id": service, "hemostat.scale.max": "90"}
    with pytest.raises(NotApplicableError, match="not a replica of shop_web, although its labels name it"):
        plan(memory_lab, Action.SCALE, memory_lab.make(labels=labels), resource="replicas")


@pytest.mark.parametrize("trust", [TrustSettings(), TrustSettings(labels="compose")])
def test_service_with_a_protected_replica_is_not_copied(memory_lab, trust):
    labels = composed(**{"hemostat.scale.max": "4"})
    memory_lab.make(name="shop-web-1", labels=labels)
    asker = memory_lab.make(name="shop-web-2", labels=labels)

    def forbids(ref: Container, _: bool) -> str:
        return "protected, responder.protect" if ref.name == "shop-web-1" else ""

    by = surgeon(memory_lab, forbids=forbids, trust=trust)
    with pytest.raises(NotApplicableError, match="shop-web-1 cannot be copied: protected"):
        plan(memory_lab, Action.SCALE, asker, by, resource="replicas")


def test_replicas_have_the_maximum_of_the_copied_container(memory_lab):
    memory_lab.make(name="shop-web-1", labels=composed())
    asker = memory_lab.make(name="shop-web-2", labels=composed(**{"hemostat.scale.max": "9"}))
    with pytest.raises(NotApplicableError, match=r"no label hemostat\.scale\.max"):
        plan(memory_lab, Action.SCALE, asker, surgeon(memory_lab), resource="replicas")


# --- cleanup ----------------------------------------------------------------------------------------


@pytest.mark.docker
def test_cleanup_empties_labelled_paths_and_reports_the_size(docker_lab):
    container = docker_lab.make(labels={"hemostat.cleanup.paths": "/tmp/cache"})
    fill = "mkdir /tmp/cache && head -c 3000000 /dev/zero > /tmp/cache/x && head -c 1000 /dev/zero > /root/y"
    assert docker_lab.engine.exec(container, ["sh", "-c", fill])[0] == 0
    assert plan(docker_lab, Action.CLEANUP, container).detail == "empty /tmp/cache"
    done = operate(docker_lab, Action.CLEANUP, container)
    assert (done.detail, done.freed) == ("2.9 MiB freed", 3_000_000)
    assert docker_lab.engine.exec(container, ["ls", "/tmp/cache", "/root"])[1].split() == [
        "/root:",
        "y",
        "/tmp/cache:",
    ]


def test_cleanup_without_the_label_deletes_nothing(lab):
    with pytest.raises(NotApplicableError, match="names no path that may be deleted"):
        operate(lab, Action.CLEANUP, lab.make())


def test_host_cleanup_removes_old_unprotected_items(lab):
    batch = {"hemostat.batch": "clear"}
    old, kept, running = (
        lab.make(labels=batch),
        lab.make(labels={**batch, "hemostat.keep": "true"}),
        lab.make(labels=batch),
    )
    lab.write(old, 300_000)
    for container in (old, kept):
        lab.engine.stop(container)
    with pytest.raises(NotApplicableError, match="no item on the host"):
        surgeon(lab, labels=batch).perform(asked(Action.CLEANUP), None)
    later = surgeon(lab, labels=batch, ahead=90_000)
    assert later.plan(asked(Action.CLEANUP), None).detail.startswith("1 stopped container ")
    done = later.perform(asked(Action.CLEANUP), None)
    assert done.freed >= 300_000
    assert done.detail.endswith(" freed")
    left = {info.ref.id for info in lab.workshop.find("hemostat.batch=clear")}
    assert left == {kept, running}


def test_volumes_are_removed_only_if_the_settings_permit(memory_lab):
    labels = {"hemostat.test": SESSION}
    volume = PrunableItem(what=PrunableKind.VOLUME, id="data", name="data", size=5 * MIB, labels=labels)
    memory_lab.fake.prunable_items = [volume]
    with pytest.raises(NotApplicableError):
        surgeon(memory_lab).perform(asked(Action.CLEANUP), None)
    done = surgeon(memory_lab, ResponderSettings(cleanup_volumes=True)).perform(asked(Action.CLEANUP), None)
    assert done == ActionResult("1 unused volume 5.0 MiB: 5.0 MiB freed", 5 * MIB)
    assert memory_lab.fake.prunable_items == []


# --- exec -------------------------------------------------------------------------------------------


def failing(lab: Lab, container: str, **options: object) -> str:
    with pytest.raises(EngineError) as caught:
        operate(lab, Action.EXEC, container, **options)
    assert not caught.value.transient
    return caught.value.message


@pytest.mark.docker
def test_command_of_the_label_runs_without_a_shell(docker_lab):
    container = docker_lab.make(labels={"hemostat.exec": "echo 'a  b' $HOME;"})
    assert plan(docker_lab, Action.EXEC, container).detail == "run echo 'a  b' '$HOME;'"
    assert operate(docker_lab, Action.EXEC, container).detail == "exit code 0: a  b $HOME;"


def test_output_of_a_command_is_reported_up_to_a_maximum(memory_lab):
    memory_lab.fake.on_exec = lambda *_: (0, "flushed 3 queues" + " and more" * 99)
    container = memory_lab.make(labels={"hemostat.exec": "flush"})
    detail = operate(memory_lab, Action.EXEC, container).detail
    assert detail.startswith("exit code 0: flushed 3 queues and more")
    assert len(detail) <= len("exit code 0: ") + MAX_OUTPUT_CHARACTERS


@pytest.mark.docker
def test_command_output_is_cut_and_masked(docker_lab):
    container = docker_lab.make(labels={"hemostat.exec": r"printf '\033[31mred\n%1000s' x"})
    detail = operate(docker_lab, Action.EXEC, container).detail
    assert detail.startswith(r"exit code 0: red\n ")
    assert len(detail) == len("exit code 0: ") + 200


@pytest.mark.docker
def test_command_that_fails_or_times_out_is_a_failure(docker_lab):
    failed = docker_lab.make(labels={"hemostat.exec": "sh -c 'echo no; exit 3'"})
    assert failing(docker_lab, failed) == "command failed with exit code 3: no"
    missing = docker_lab.make(labels={"hemostat.exec": "/no/such"})
    assert "failed with exit code 12" in failing(docker_lab, missing)
    endless = docker_lab.make(labels={"hemostat.exec": "sh -c 'while :; do echo x; sleep 0.01; done'"})
    assert "not done within 0.5 s" in failing(
        docker_lab, endless, by=surgeon(docker_lab, ResponderSettings(exec_timeout=0.5))
    )


@pytest.mark.parametrize(("label", "why"), [(None, "no label"), ("  ", "no label"), ("echo 'a", "no label")])
def test_unreadable_command_is_not_run(memory_lab, label, why):
    memory_lab.fake.on_exec = lambda *_: pytest.fail("something was run")
    container = memory_lab.make(labels={} if label is None else {"hemostat.exec": label})
    with pytest.raises(NotApplicableError, match=why):
        operate(memory_lab, Action.EXEC, container)


def test_no_command_runs_in_a_stopped_container(lab):
    container = lab.make(labels={"hemostat.exec": "true"})
    lab.engine.stop(container)
    with pytest.raises(NotApplicableError, match="it is exited"):
        operate(lab, Action.EXEC, container)


# --- all --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.CLEANUP])
def test_container_actions_on_the_host_are_refused(memory_lab, action):
    for do in (surgeon(memory_lab).perform, surgeon(memory_lab).plan):
        with pytest.raises(NotApplicableError):
            do(asked(action), None)


def test_dry_run_plan_changes_nothing(memory_lab):
    labels = {"hemostat.exec": "true", "hemostat.scale.cpu_max": "2", "hemostat.cleanup.paths": "/tmp/x"}
    container = memory_lab.make(labels=labels, cpus=0.5)
    before: ContainerInfo = memory_lab.engine.inspect(container)
    memory_lab.fake.on_exec = lambda *_: pytest.fail("something was run")
    for action in (Action.RESTART, Action.STOP, Action.SCALE, Action.CLEANUP, Action.EXEC):
        assert plan(memory_lab, action, container, resource="cpu").detail
    assert memory_lab.engine.inspect(container) == before


def test_unreachable_engine_is_not_an_outcome(memory_lab):
    container = memory_lab.engine.inspect(memory_lab.make())
    memory_lab.fake.disconnect()
    with pytest.raises(EngineUnreachableError):
        surgeon(memory_lab).perform(asked(Action.RESTART, container.ref), container)
    memory_lab.fake.reconnect()
