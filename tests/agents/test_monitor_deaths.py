"""Deaths, stops and starts as the monitor judges them: owners, wishes, restarts of our own."""

import msgspec
import pytest

from hemostat.adapters.in_memory.controls import InMemoryControls
from hemostat.adapters.in_memory.ledger import InMemoryLedger
from hemostat.agents.monitor import Monitor
from hemostat.core.ledger.rows import Attempt
from hemostat.core.model import Connected, ContainerInfo, Disconnected, EngineEvent, Mode, Samples, Waited
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import EngineTimeoutError
from hemostat.events import Action, Kind, Outcome, Phase
from tests.support.monitor_harness import MIB, MonitorHarness

TERM, KILL, QUIT, HUP = 15, 9, 3, 1
RAISED, CLEARED = Phase.RAISED, Phase.CLEARED
PODMAN = {"podman": True}


class Scene(MonitorHarness):
    """With a ledger, and with events that come as the test says."""

    def new_monitor(self, **thresholds) -> Monitor:
        self.ledger = getattr(self, "ledger", None) or InMemoryLedger(InMemoryControls(), {})
        return Monitor(
            self.engine,
            self.engine,
            MonitorSettings(**thresholds),
            host="h",
            source="monitor@1",
            host_memory=4096 * MIB,
            ledger=self.ledger,
        )

    def event(self, container: str, action: str, **fields) -> None:
        ref = self.engine._boxes[container].ref
        self.tell(EngineEvent(time=self.clock.now(), action=action, container=ref, **fields))

    def kill(self, container: str, signal: int) -> None:
        self.event(container, "kill", signal=signal)

    def end(self, container: str, code: int, *, status: str = "exited", **fields) -> None:
        """End the process with an event of the engine alone."""
        box = self.engine._boxes[container]
        box.end(code, self.clock.now())
        box.status = status
        self.event(container, "die", exit_code=code, **fields)

    def begin(self, container: str, *, restarts: int = 0) -> None:
        box = self.engine._boxes[container]
        box.restart_count += restarts
        box.begin(1, self.clock.now())
        self.event(container, "start")

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tell(Waited())

    def restart_by_us(self, container: str, **fields) -> Attempt:
        info, now = self.engine.inspect(container), self.clock.now()
        plain = {"key": "k", "container": info.ref.name, "action": Action.RESTART, "by": "r", "time": now}
        made = Attempt(**{**plain, "lease": now + 120, "started_at": info.started_at, **fields})
        self.ledger.finish("h", made)
        return made

    def finish(self, attempt: Attempt, outcome: Outcome) -> None:
        now = self.clock.now()
        self.ledger.finish("h", msgspec.structs.replace(attempt, outcome=outcome, finished=now))


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- wishes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.2, 9.0, 14.0])
def test_stop_with_the_default_timeout_raises_no_alert(scene, seconds):
    web = scene.make()
    scene.kill(web, TERM)
    scene.clock.advance(seconds)
    scene.end(web, 137)
    scene.sample(60)
    assert scene.alerts == []


def test_stop_with_a_longer_timeout_is_known_by_its_event(scene):
    web = scene.make()
    scene.kill(web, TERM)
    scene.sample(40)
    scene.end(web, 143)
    scene.clock.advance(0.3)
    scene.event(web, "stop")
    scene.sample(60)
    assert scene.alerts == []


@pytest.mark.parametrize("signal", [TERM, QUIT, HUP])
def test_survived_signal_does_not_explain_a_later_death(scene, signal):
    web = scene.make()
    scene.kill(web, signal)
    scene.sample(20)
    scene.end(web, 137)
    scene.sample(3)
    assert scene.told() == [(Kind.EXITED, RAISED)]


@pytest.mark.parametrize(("signal", "seconds"), [(QUIT, 7), (HUP, 2), (TERM, 17)])
def test_unhealthy_after_a_survived_signal_is_an_early_alert(scene, signal, seconds):
    web = scene.make(health=("true",))
    scene.sample()
    scene.kill(web, signal)
    scene.engine.set_health(web, "unhealthy")
    scene.sample(seconds)
    assert scene.told() == [(Kind.UNHEALTHY, RAISED)]


def test_kill_and_start_by_a_person_raises_no_alert(scene):
    web = scene.make(restart_policy="always")
    scene.kill(web, KILL)
    scene.end(web, 137)
    scene.sample(30)
    scene.begin(web)
    scene.sample(30)
    assert scene.alerts == []


# --- Podman, and engines that tell of no kill -----------------------------------------------------------


@pytest.mark.parametrize("code", [137, 143, 5])
def test_podman_stop_is_known_by_an_event_after_the_death(scene, code):
    web = scene.make()
    scene.end(web, code, **PODMAN)
    scene.wait(0.5)
    scene.event(web, "stop")
    scene.sample(60)
    assert scene.alerts == []


def test_podman_stop_without_event_is_known_by_inspection(scene):
    web = scene.make()
    scene.engine._boxes[web].stopped = True
    scene.end(web, 137, **PODMAN)
    scene.sample(60)
    assert scene.alerts == []


def test_own_restart_under_podman_is_not_a_stop_by_a_person(scene):
    web = ill(scene)
    attempt = scene.restart_by_us(web)
    scene.engine._boxes[web].stopped = True
    scene.end(web, 137, **PODMAN)
    scene.sample(5)
    scene.finish(attempt, Outcome.FAILED)
    scene.sample(4)
    assert scene.told()[-1] == (Kind.EXITED, RAISED)


def test_podman_stop_is_known_by_an_event_before_the_death(scene):
    web = scene.make()
    scene.event(web, "stop")
    scene.clock.advance(0.2)
    scene.end(web, 137, **PODMAN)
    scene.sample(60)
    assert scene.alerts == []


@pytest.mark.parametrize("code", [137, 1])
def test_crash_under_podman_is_an_alert_without_a_stop_event(scene, code):
    web = scene.make()
    scene.end(web, code, **PODMAN)
    assert scene.monitor.find_next_due() == scene.clock.now() + 3
    scene.wait(2.5)
    assert scene.alerts == []
    scene.wait(0.6)
    assert scene.told() == [(Kind.EXITED, RAISED)]
    assert scene.monitor.find_next_due() is None


def test_exit_without_podmans_mark_is_an_alert_at_once(scene):
    web = scene.make()
    scene.engine._boxes[web].stopped = False
    scene.end(web, 7, **PODMAN)
    assert scene.told() == [(Kind.EXITED, RAISED)]
    assert scene.monitor.find_next_due() is None


def test_held_death_survives_a_restart_of_the_monitor(scene):
    web = scene.make()
    scene.end(web, 7, **PODMAN)
    scene.restart_monitor()
    scene.tell(Connected())
    scene.wait(3)
    assert scene.told() == [(Kind.EXITED, RAISED)]


def test_kill_under_docker_is_reported_at_once(scene):
    other, web = scene.make(name="other"), scene.make()
    scene.kill(other, HUP)
    scene.end(web, 137)
    assert scene.told() == [(Kind.EXITED, RAISED)]


# --- the owner: Docker's restart policy -----------------------------------------------------------------


def test_failed_start_is_an_alert_when_docker_gives_up(scene):
    web = scene.make(restart_policy="always")
    box = scene.engine._boxes[web]
    scene.clock.advance(20)
    scene.end(web, 1)
    box.error = "bind source path does not exist: /tmp/p03"
    scene.sample(4)
    assert scene.told() == [(Kind.EXITED, RAISED)]
    assert "bind source" in str(scene.alerts[0].get_fact("engine_says"))
    scene.sample(30)
    assert len(scene.alerts) == 1


def test_container_waiting_for_its_policy_is_left_to_docker(scene):
    web = scene.make(restart_policy="always")
    scene.end(web, 1, status="restarting")
    scene.sample(70)
    assert scene.alerts == []


def test_failed_start_at_boot_is_an_alert(scene):
    web = scene.make(restart_policy="unless-stopped")
    scene.sample(3)
    scene.kill(web, TERM)
    scene.end(web, 143)
    scene.engine._boxes[web].error = "address already in use"
    scene.tell(Connected())
    assert scene.told() == [(Kind.EXITED, RAISED)]


def test_on_failure_policy_ends_after_its_last_attempt(scene):
    web = scene.make(restart_policy="on-failure:1")
    box = scene.engine._boxes[web]
    box.spec = msgspec.structs.replace(box.spec, restart_policy="on-failure")
    scene.clock.advance(400)
    scene.end(web, 0)
    scene.sample(30)
    assert scene.alerts == []


def test_stop_by_a_person_under_a_policy_raises_no_alert(scene):
    web = scene.make(restart_policy="always")
    scene.kill(web, TERM)
    scene.end(web, 137)
    scene.event(web, "stop")
    scene.sample(60)
    assert scene.alerts == []


def test_stop_during_the_restart_delay_raises_no_alert(scene):
    web = scene.make(restart_policy="always")
    scene.end(web, 1, status="restarting")
    scene.sample(3)
    scene.engine._boxes[web].status = "exited"
    scene.event(web, "stop")
    scene.sample(60)
    assert scene.alerts == []


def loop(scene: Scene, web: str, times: int, *, runs: float, waits: float, code: int) -> None:
    for _ in range(times):
        scene.clock.advance(runs)
        scene.end(web, code, status="restarting")
        scene.clock.advance(waits)
        scene.begin(web, restarts=1)


def test_loop_with_exit_0_is_one_alert_until_it_runs(scene):
    web = scene.make(restart_policy="always")
    loop(scene, web, 30, runs=2, waits=5, code=0)
    assert scene.told() == [(Kind.CRASH_LOOP, RAISED)]
    assert scene.alerts[0].get_fact("exit_code") == 0
    scene.sample(12)
    assert len(scene.alerts) == 1
    scene.sample(10)
    assert scene.told()[1:] == [(Kind.CRASH_LOOP, CLEARED)]


def test_hourly_job_with_exit_0_raises_no_alert(scene):
    web = scene.make(restart_policy="always")
    loop(scene, web, 12, runs=3600, waits=0.1, code=0)
    assert scene.alerts == []


def test_container_that_dies_every_seven_minutes_is_one_alert(scene):
    web = scene.make(restart_policy="always")
    loop(scene, web, 9, runs=420, waits=0.1, code=1)
    scene.sample(30)
    assert scene.told() == [(Kind.CRASH_LOOP, RAISED)]


# --- the owner: an orchestrator -------------------------------------------------------------------------


def swarm(task: str) -> dict[str, str]:
    return {"com.docker.swarm.service.name": "p", "com.docker.swarm.task.name": f"p.1.{task}"}


def test_task_replaced_by_swarm_is_an_alert_only_in_a_loop(scene):
    for number in range(3):
        web = scene.make(name=f"p.1.{number}", labels=swarm(str(number)))
        scene.sample(20)
        scene.end(web, 1)
        scene.sample(5)
        if number < 2:
            assert scene.alerts == []
    assert scene.told() == [(Kind.CRASH_LOOP, RAISED)]
    assert scene.alerts[0].get_fact("managed_by") == "Swarm"
    scene.make(name="p.1.9", labels=swarm("9"))
    scene.sample(400)
    assert scene.told()[1:] == [(Kind.CRASH_LOOP, CLEARED)]


def test_task_not_replaced_by_swarm_is_an_alert(scene):
    web = scene.make(name="p.1.a", labels=swarm("a"))
    scene.end(web, 1)
    scene.sample(29)
    assert scene.alerts == []
    scene.sample(3)
    assert scene.told() == [(Kind.EXITED, RAISED)]


ECS = {
    "com.amazonaws.ecs.task-definition-family": "shop",
    "com.amazonaws.ecs.container-name": "web",
}


def test_crash_loop_under_copied_labels_hides_no_death(scene):
    """ECS has no label whose value only the containers of one task share."""
    web = scene.make(name="ecs-web", labels=ECS)
    evil = scene.make(name="evil", labels=ECS)
    for _ in range(5):
        scene.sample(10)
        scene.end(evil, 1)
        scene.sample(5)
        scene.engine.start(evil)
    assert [(each.container.name, each.kind) for each in scene.alerts] == [("evil", Kind.CRASH_LOOP)]
    scene.sample(10)
    scene.end(web, 1)
    scene.sample(5)
    scene.engine.restart(evil)
    scene.sample(300)
    alerts = [each for each in scene.alerts if each.container.name == "ecs-web"]
    assert [(each.kind, each.phase) for each in alerts] == [(Kind.EXITED, RAISED)]


def test_service_scaled_to_0_raises_no_alert(scene):
    web = scene.make(name="p.1.a", labels=swarm("a"))
    scene.kill(web, TERM)
    scene.end(web, 137)
    scene.event(web, "stop")
    scene.sample(60)
    assert scene.alerts == []


def test_removed_workloads_do_not_fill_the_state(scene):
    """Labels name the workload, and each of these containers names another one."""
    names = ("service.id", "service.name", "task.name")
    for number in range(500):
        labels = {f"com.docker.swarm.{name}": f"{number}{'x' * 250}" for name in names}
        made = scene.make(name=f"t{number}", labels=labels)
        scene.end(made, 3)
        scene.engine.remove(made)
        scene.listen()
        scene.sample()
    assert len(scene.monitor.encode_state()) < 200_000


def test_restart_by_systemd_in_five_seconds_raises_no_alert(scene):
    web = scene.make(labels={"PODMAN_SYSTEMD_UNIT": "web.service"})
    scene.end(web, 1)
    scene.sample(5)
    scene.begin(web)
    scene.sample(120)
    assert scene.alerts == []


# --- restarts of our own --------------------------------------------------------------------------------


def ill(scene: Scene) -> str:
    web = scene.make(health=("true",))
    scene.sample()
    scene.engine.set_health(web, "unhealthy")
    scene.listen()
    return web


def test_failed_own_restart_keeps_the_incident_open(scene):
    web = ill(scene)
    attempt = scene.restart_by_us(web)
    scene.kill(web, TERM)
    scene.clock.advance(10)
    scene.end(web, 137)
    scene.engine._boxes[web].error = "network 389e not found"
    scene.sample(40)
    assert (scene.told(), scene.monitor.warnings) == ([(Kind.UNHEALTHY, RAISED)], ())
    scene.finish(attempt, Outcome.FAILED)
    scene.sample(4)
    assert scene.told()[1:] == [(Kind.UNHEALTHY, CLEARED), (Kind.EXITED, RAISED)]
    assert scene.alerts[-1].get_fact("taken_down") is True
    assert "389e" in str(scene.alerts[-1].get_fact("engine_says"))
    for _ in range(3):
        scene.tell(Connected())
        scene.sample(30)
    assert len(scene.alerts) == 3


def test_successful_own_restart_raises_no_alert(scene):
    web = ill(scene)
    scene.restart_by_us(web)
    scene.kill(web, TERM)
    scene.clock.advance(5)
    scene.end(web, 137)
    scene.begin(web)
    scene.sample(2)
    assert (Kind.EXITED, RAISED) not in scene.told()


def test_interrupted_restart_is_known_to_a_new_monitor(scene):
    """The engine and we died between stop and start."""
    web = ill(scene)
    scene.restart_by_us(web, lease=scene.clock.now() + 30)
    scene.clock.advance(5)
    scene.engine._boxes[web].end(137, scene.clock.now())
    scene.restart_monitor()
    scene.tell(Connected())
    scene.sample(20)
    assert scene.told() == [(Kind.UNHEALTHY, RAISED)]
    scene.sample(15)
    assert scene.told()[1:] == [(Kind.UNHEALTHY, CLEARED), (Kind.EXITED, RAISED)]


def test_restart_of_another_container_does_not_hide_a_stop_by_a_person(scene):
    """Two restarts of ours at once, and a person who stops one of the two containers meanwhile."""
    web = ill(scene)
    other = scene.make(name="other")
    scene.clock.advance(1)
    scene.restart_by_us(web)
    scene.restart_by_us(other, key="o")
    for container in (web, other, web):
        scene.clock.advance(0.5)
        scene.kill(container, TERM)
    assert scene.ledger.read("h", "web").manual_stop is not None
    assert scene.ledger.read("h", "other").manual_stop is None


def test_stop_by_a_person_after_an_own_restart_is_respected(scene):
    web = ill(scene)
    scene.restart_by_us(web)
    scene.kill(web, TERM)
    scene.end(web, 137)
    scene.clock.advance(1)
    scene.begin(web)
    scene.sample(3)
    scene.kill(web, TERM)
    scene.end(web, 137)
    scene.event(web, "stop")
    scene.sample(200)
    assert (Kind.EXITED, RAISED) not in scene.told()


# --- from a rehearsal to the real thing -----------------------------------------------------------------


def test_dry_run_failure_is_repeated_when_the_mode_changes(scene):
    scene.tell(Mode("dry-run"))
    web, kept = ill(scene), scene.make(name="db")
    scene.engine.crash(kept, 3)
    scene.listen()
    scene.restart_monitor()
    scene.tell(Connected())
    scene.alerts.clear()
    scene.tell(Mode("auto"))
    assert [(each.container.name, each.kind, each.occurrence) for each in scene.alerts] == [
        ("web", Kind.UNHEALTHY, 2),
        ("db", Kind.EXITED, 2),
    ]
    assert all(each.since == scene.clock.now() for each in scene.alerts)
    assert web


@pytest.mark.parametrize(
    ("before", "after", "raised"),
    [
        (("project shop",), (), ["web"]),
        (("restart",), (), ["web", "db"]),
        (("project shop", "restart"), ("project shop",), ["db"]),
        (("project shop",), ("project shop",), []),
        ((), ("restart",), []),
    ],
)
def test_failure_is_repeated_when_a_partial_dry_run_ends(scene, before, after, raised):
    scene.tell(Mode("auto", before))
    for name, project in (("web", "shop"), ("db", "other")):
        scene.engine.crash(scene.make(name=name, labels={"com.docker.compose.project": project}), 3)
    scene.listen()
    scene.restart_monitor()
    scene.tell(Connected())
    scene.alerts.clear()
    scene.tell(Mode("auto", after))
    assert [each.container.name for each in scene.alerts] == raised


@pytest.mark.parametrize(("before", "after"), [("", "auto"), ("auto", "approve"), ("auto", "dry-run")])
def test_other_mode_changes_raise_no_alert(scene, before, after):
    scene.tell(Mode(before))
    ill(scene)
    scene.alerts.clear()
    scene.tell(Mode(after))
    assert scene.alerts == []


# --- flags of one run -----------------------------------------------------------------------------------


def test_oom_flag_of_an_earlier_run_is_ignored(scene):
    web = scene.make(memory=64 * MIB)
    scene.engine.oom(web)
    scene.listen()
    scene.clock.advance(5)
    scene.begin(web)
    scene.engine._boxes[web].oom_killed = True  # as Docker 20.10 shows it of the new run
    scene.sample(20)
    scene.end(web, 137)
    scene.sample(3)
    assert [alert.kind for alert in scene.alerts if alert.phase is RAISED] == [Kind.OOM, Kind.EXITED]


def test_survived_oom_kill_is_mentioned_in_the_later_alert(scene):
    web = scene.make(memory=64 * MIB)
    scene.event(web, "oom")
    scene.clock.advance(25)
    scene.end(web, 3)
    assert scene.told() == [(Kind.EXITED, RAISED)]
    assert (scene.alerts[0].get_fact("exit_code"), scene.alerts[0].get_fact("after_oom_kill")) == (3, 25.0)
    assert scene.alerts[0].get_fact("memory_limit") is None


def test_survived_oom_kill_does_not_hide_an_unseen_death(scene):
    web = scene.make(memory=64 * MIB)
    for kills in (0, 1):
        scene.clock.advance(1)
        samples = scene.engine.sample(scene.monitor.list_running(), scene.clock.now())
        scene.tell(Samples(tuple(msgspec.structs.replace(each, oom_kills=kills) for each in samples)))
    assert scene.alerts == []
    scene.sample(6)
    assert scene.told() == [(Kind.OOM, RAISED)]
    scene.clock.advance(5)
    scene.engine._boxes[web].end(3, scene.clock.now())
    scene.tell(Connected())
    assert scene.told()[-1] == (Kind.EXITED, RAISED)


def test_survived_oom_kill_is_an_alert_without_a_baseline(scene):
    web = scene.make(memory=64 * MIB)
    scene.event(web, "oom")
    scene.sample(5)
    assert scene.alerts == []
    scene.sample(2)
    assert scene.told() == [(Kind.OOM, RAISED)]
    assert scene.alerts[0].get_fact("survived") is True


def test_survived_signal_under_podman_explains_no_crash(scene):
    web = scene.make()
    scene.kill(web, HUP)
    scene.engine._boxes[web].stopped = True  # Podman sets it at any signal, for the whole run
    scene.sample(30)
    scene.end(web, 1, **PODMAN)
    scene.sample(5)
    assert scene.told() == [(Kind.EXITED, RAISED)]


def test_interactive_session_raises_no_alert(scene):
    shell = scene.make()
    box = scene.engine._boxes[shell]
    told = box.build_info
    box.build_info = lambda: msgspec.structs.replace(told(), interactive=True)
    scene.tell(Connected())
    scene.end(shell, 127)
    scene.sample(30)
    assert scene.alerts == []


@pytest.mark.parametrize(
    ("tries", "signals", "wish"), [(1, 1, False), (1, 2, True), (2, 2, False), (2, 3, True)]
)
def test_stop_signal_from_others_is_a_stop_by_a_person(scene, tries, signals, wish):
    web = ill(scene)
    scene.restart_by_us(web, tries=tries)
    for _ in range(signals):
        scene.clock.advance(1)
        scene.kill(web, TERM)
    assert (scene.ledger.read("h", "web").manual_stop is not None) is wish


def test_kill_at_the_timeout_of_an_own_restart_is_not_a_stop(scene):
    web = ill(scene)
    scene.restart_by_us(web)
    for signal in (TERM, KILL):
        scene.kill(web, signal)
    assert scene.ledger.read("h", "web").manual_stop is None


def test_renamed_container_is_left_to_the_person(scene):
    web = scene.make()
    scene.end(web, 3)
    scene.event(web, "rename")
    assert scene.told() == [(Kind.EXITED, RAISED), (Kind.EXITED, CLEARED)]
    scene.tell(Connected())
    scene.sample(30)
    assert len(scene.alerts) == 2


def test_oom_kill_of_the_main_process_is_not_survived(scene):
    web = scene.make(memory=64 * MIB)
    scene.event(web, "oom")
    scene.sample(1)
    scene.end(web, 137)
    scene.sample(5)
    assert [alert.get_fact("survived") for alert in scene.alerts if alert.kind is Kind.OOM] == [None]


def test_engine_shutdown_during_a_restart_is_not_a_stop(scene):
    web = ill(scene)
    scene.restart_by_us(web)
    for _ in range(2):
        scene.clock.advance(1)
        scene.kill(web, TERM)
    scene.tell(Disconnected("the engine ended the stream"))
    stopping = scene.ledger.read("h", "web").manual_stop
    assert stopping is None or stopping.until == 0.0


def test_one_hanging_inspection_ends_the_round(scene, monkeypatch):
    """Docker is to start many again, and their starts hang."""
    names = {scene.make(name=f"c{number}", restart_policy="always") for number in range(4)}
    for each in names:
        scene.end(each, 7, status="restarting")
    hung, inspect = [], scene.engine.inspect

    def hang(container: str) -> ContainerInfo:
        if container in names:
            hung.append(container)
            raise EngineTimeoutError("inspect x: the Docker Engine took too long")
        return inspect(container)

    monkeypatch.setattr(scene.engine, "inspect", hang)
    scene.sample(2)
    for rounds in range(1, 6):
        scene.sample()
        assert len(hung) <= rounds + 1
    assert set(hung) == names
