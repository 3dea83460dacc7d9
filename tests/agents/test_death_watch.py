"""Exits, stops and starts, one at a time, with an engine and a ledger that answer as the test says."""

import msgspec
import pytest

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.death_watch import DeathWatch
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.ledger.rows import Attempt, ManualStop
from hemostat.core.model import ContainerInfo, EngineEvent
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import EngineTimeoutError
from hemostat.events import Action, Container, HealthAlert, Kind

NOW = 10_000.0
WEB = Container(id="c", name="web")
TERM, KILL = 15, 9


class Ledger:
    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.stops: list[ManualStop] = []

    def list_attempts(self, host: str, container: str) -> list[Attempt]:
        assert (host, container) == ("h", "web")
        return self.attempts

    def note_stop(self, host: str, container: str, stop: ManualStop) -> None:
        assert (host, container) == ("h", "web")
        self.stops.append(stop)


class Watch:
    """A container that runs since 100 seconds. Inspections return its present state."""

    def __init__(self, *, ledger: bool = True, **fields) -> None:
        self.registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        self.ledger, self.errors = Ledger(), ContainerErrors()
        plain = {"ref": WEB, "status": "running", "started_at": NOW - 100}
        self.info: ContainerInfo | None = ContainerInfo(**{**plain, **fields})
        self.registry.upsert(self.info, NOW)
        self.looked: list[str] = []
        self.looked_upstream: list[str] = []
        self.hung, self.says_stopped = 0, False
        self.deaths = DeathWatch(
            self.registry,
            self.ledger if ledger else None,
            self.errors,
            host="h",
            read_mark=lambda _, __: self.says_stopped,
            look=self.look,
            look_upstream=lambda container, _: self.looked_upstream.append(container),
            count_hung=lambda: self.hung,
        )

    def look(self, container: str, now: float):
        self.looked.append(container)
        return None if self.info is None else self.registry.upsert(self.info, now)

    def change(self, **fields) -> None:
        self.info = msgspec.structs.replace(self.info, **fields)

    def restart(self, **fields) -> Attempt:
        attempt = Attempt(
            **{
                "key": "k",
                "container": "web",
                "action": Action.RESTART,
                "by": "r",
                "time": NOW,
                "lease": NOW + 60,
                "started_at": NOW - 100,
                **fields,
            }
        )
        self.ledger.attempts = [attempt]
        return attempt

    def send(self, action: str, now: float = NOW, **fields) -> list[HealthAlert]:
        handle = getattr(self.deaths, f"handle_{'death' if action == 'die' else action}")
        event = EngineEvent(time=fields.pop("time", now), action=action, container=WEB, **fields)
        return read(handle(event, now))


def read(alerts) -> list[HealthAlert]:
    return [alert for _, alert in alerts]


# --- exits ------------------------------------------------------------------------------------------


def test_exit_is_applied_without_an_inspection():
    watch = Watch()
    watch.registry.has_kill_events = True
    (alert,) = watch.send("die", exit_code=3)
    assert (alert.kind, alert.since, watch.looked) == (Kind.EXITED, NOW, [])
    info = watch.registry.get("c").info
    assert (info.status, info.exit_code, info.finished_at, info.pid) == ("exited", 3, NOW, 0)
    assert watch.looked_upstream == ["c"]


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"status": "exited"}, {"exit_code": 3}),
        ({}, {}),
        ({"started_at": NOW}, {"exit_code": 3}),
        ({"started_at": NOW + 1}, {"exit_code": 3}),
    ],
)
def test_exit_that_does_not_fit_the_known_state_is_inspected(fields, event):
    watch = Watch(**fields)
    watch.send("die", **event)
    assert watch.looked == ["c"]


def test_exit_of_a_removed_container_is_no_alert():
    watch = Watch(status="exited")
    watch.info = None
    assert watch.send("die", exit_code=3) == []
    assert watch.looked_upstream == []


def test_exit_that_docker_answers_is_inspected_after_two_seconds():
    watch = Watch(restart_policy="always")
    assert watch.send("die", exit_code=3) == []
    assert watch.registry.get("c").info.status == "restarting"
    assert watch.registry.awaited_restarts == {"c": PendingExit(exit_code=3, time=NOW, due=NOW)}
    watch.change(status="restarting")
    watch.deaths.look_again(NOW + 1.9)
    assert watch.looked == []
    watch.deaths.look_again(NOW + 2)
    watch.deaths.look_again(NOW + 11.9)
    assert watch.looked == ["c"]
    watch.deaths.look_again(NOW + 12)
    assert watch.looked == ["c", "c"]
    watch.change(status="exited", error="no such mount")
    assert [alert.kind for alert in read(watch.deaths.look_again(NOW + 22))] == [Kind.EXITED]


def test_stopped_container_is_not_restarted_by_docker():
    watch = Watch(restart_policy="always")
    watch.registry.stops["c"] = StopRequest(time=NOW, until=NOW + 9)
    watch.send("die", exit_code=3)
    assert watch.registry.get("c").info.status == "exited"
    assert watch.registry.awaited_restarts == {}


def test_podman_is_known_after_its_first_event():
    watch = Watch()
    watch.send("die", exit_code=1, podman=True)
    watch.send("die", exit_code=1)
    assert watch.registry.is_podman


# --- held exits -------------------------------------------------------------------------------------


def hold(watch: Watch, code: int = 3, **fields) -> None:
    watch.change(status="exited", exit_code=code, finished_at=NOW, **fields)
    watch.registry.upsert(watch.info, NOW)
    watch.registry.pending_exits["c"] = PendingExit(exit_code=code, time=NOW, due=NOW + 1.5)


def judge(watch: Watch, now: float = NOW + 1.5) -> list[HealthAlert]:
    return read(watch.deaths.judge_held(now))


def test_held_exit_is_judged_when_due():
    watch = Watch()
    assert watch.deaths.find_next_due() is None
    hold(watch)
    assert watch.deaths.find_next_due() == NOW + 1.5
    assert judge(watch, NOW + 1.4) == []
    assert [(alert.kind, alert.since) for alert in judge(watch)] == [(Kind.EXITED, NOW)]
    assert (watch.registry.pending_exits, watch.looked) == ({}, [])


def test_held_exit_that_was_requested_is_no_alert():
    watch = Watch()
    hold(watch)
    watch.registry.stops["c"] = StopRequest(time=NOW - 1, until=NOW)
    assert judge(watch) == []


def test_held_exit_of_a_container_that_runs_again_is_no_alert():
    watch = Watch()
    hold(watch)
    watch.registry.upsert(msgspec.structs.replace(watch.info, status="running", started_at=NOW + 1), NOW)
    assert judge(watch) == []


def test_error_in_one_held_exit_is_recorded(monkeypatch):
    watch = Watch()
    hold(watch)
    monkeypatch.setattr(watch.registry, "get", {}.get)
    assert judge(watch) == []
    assert watch.registry.pending_exits == {}


def hold_podman(code: int = 137) -> Watch:
    watch = Watch()
    watch.registry.is_podman = True
    hold(watch, code)
    return watch


@pytest.mark.parametrize(("is_marked", "is_alert"), [(False, True), (True, False), (None, False)])
def test_exit_under_podman_waits_unless_no_stop_was_requested(is_marked, is_alert):
    watch = Watch()
    watch.says_stopped = is_marked
    watch.change(status="exited", exit_code=3, finished_at=NOW)
    assert bool(watch.send("die", exit_code=3, podman=True)) is is_alert
    assert (watch.registry.pending_exits == {}) is is_alert


@pytest.mark.parametrize(("cleanups", "is_stop"), [(0, False), (1, False), (2, True)])
def test_second_cleanup_is_the_sign_of_a_stop_where_podman_has_no_mark(cleanups, is_stop):
    watch = Watch()
    watch.says_stopped = None
    watch.change(status="exited", exit_code=7, finished_at=NOW)
    assert watch.send("die", exit_code=7, podman=True) == []
    for _ in range(cleanups):
        assert watch.send("cleanup", NOW + 0.2) == []
    assert watch.deaths.find_next_due() == (None if is_stop else NOW + 3)
    assert bool(judge(watch, NOW + 3)) is not is_stop


def test_cleanups_of_an_earlier_exit_do_not_count():
    watch = Watch()
    watch.says_stopped = None
    watch.change(status="exited", exit_code=7, finished_at=NOW)
    watch.send("die", exit_code=7, podman=True)
    watch.send("cleanup", NOW)
    watch.change(status="running", started_at=NOW + 1)
    watch.send("start", NOW + 1)
    watch.change(status="exited", finished_at=NOW + 9)
    watch.send("die", NOW + 9, exit_code=7, podman=True)
    watch.send("cleanup", NOW + 9)
    assert [alert.kind for alert in judge(watch, NOW + 12)] == [Kind.EXITED]


def test_exit_of_a_container_that_podman_restarts_for_a_person_is_no_alert():
    watch = Watch()
    watch.says_stopped = False
    watch.change(started_at=NOW)  # Podman answers after the start.
    assert watch.send("die", exit_code=3, podman=True) == []


@pytest.mark.parametrize(
    ("is_marked", "count", "runs"), [(False, 1, 1), (False, 0, 0), (None, 1, 1), (True, 1, 0)]
)
def test_restart_by_podmans_policy_is_a_run_of_a_loop(is_marked, count, runs):
    watch = Watch(restart_policy="always")
    watch.says_stopped = is_marked
    if is_marked is False:
        watch.change(started_at=NOW, restart_count=count)
    watch.send("die", exit_code=3, podman=True)
    watch.change(started_at=NOW, restart_count=count)
    if is_marked is None:
        watch.send("start", NOW + 0.1)
    assert len(watch.registry.runs) == runs


def test_exit_is_held_while_podman_does_not_answer():
    watch = Watch()
    watch.deaths._podman._read_mark = raise_timeout
    watch.change(status="exited", exit_code=3, finished_at=NOW)
    assert watch.send("die", exit_code=3, podman=True) == []
    assert watch.registry.pending_exits["c"].exit_code == 3


@pytest.mark.parametrize("answers", [True, False])
def test_exit_under_podman_outlasts_inspections_that_get_no_answer(answers):
    watch = Watch()
    info, watch.info = watch.info, None
    assert watch.send("die", exit_code=137, podman=True) == []
    if answers:
        watch.info = msgspec.structs.replace(info, status="exited", exit_code=137, finished_at=NOW)
    assert judge_until(watch, 5) == [Kind.EXITED]
    assert watch.registry.pending_exits == {}


def test_exit_of_a_container_that_is_removed_meanwhile_is_no_alert():
    watch = Watch()
    watch.info = None
    assert watch.send("die", exit_code=137, podman=True) == []
    watch.registry.remove("c")
    assert judge_until(watch, 90) == []


def raise_timeout(*_: object) -> bool | None:
    raise EngineTimeoutError("inspect c: timeout")


def hold_silent_podman() -> Watch:
    watch = hold_podman(3)
    watch.deaths._podman._read_mark = raise_timeout
    return watch


def judge_until(watch: Watch, seconds: float) -> list[Kind]:
    """Judge held exits as soon as they are due, for at most so many seconds."""
    alerts = []
    while (due := watch.deaths.find_next_due()) is not None and due <= NOW + seconds:
        alerts += [alert.kind for _, alert in watch.deaths.judge_held(due)]
    return alerts


def test_exit_becomes_an_alert_if_podman_never_answers_about_its_mark():
    watch = hold_silent_podman()
    assert judge_until(watch, 30) == []
    assert judge_until(watch, 60) == [Kind.EXITED]
    assert watch.registry.pending_exits == {}


def test_late_answer_about_a_requested_stop_prevents_the_alert():
    watch = hold_silent_podman()
    assert judge_until(watch, 10) == []
    watch.deaths._podman._read_mark = lambda *_: True
    assert judge_until(watch, 90) == []
    assert watch.registry.stops["c"].time == NOW


def test_container_without_an_answer_about_its_mark_delays_no_other():
    watch = hold_silent_podman()
    other = msgspec.structs.replace(
        watch.info, ref=msgspec.structs.replace(WEB, id="d", name="db"), status="exited", exit_code=9
    )
    watch.registry.upsert(other, NOW)
    watch.registry.pending_exits["d"] = watch.registry.pending_exits["c"]
    watch.look = lambda container, now: watch.registry.get(container)
    watch.deaths._look, watch.deaths._ledger = watch.look, None
    watch.deaths._podman._read_mark = lambda container, _: raise_timeout() if container == "c" else False
    alerts = watch.deaths.judge_held(watch.deaths.find_next_due())
    assert [alert.container.name for _, alert in alerts] == ["db"]
    assert list(watch.registry.pending_exits) == ["c"]


def test_podman_tells_whether_an_exit_was_requested():
    watch = hold_podman()
    assert [alert.kind for alert in judge(watch)] == [Kind.EXITED]
    assert watch.looked == ["c"]
    watch = hold_podman()
    watch.says_stopped = True
    assert judge(watch) == []
    assert watch.registry.stops == {"c": StopRequest(time=NOW, until=NOW + 5)}


def test_own_restart_under_podman_is_recorded():
    watch = hold_podman()
    watch.restart()
    assert judge(watch) == []
    assert watch.registry.stops == {"c": StopRequest(time=NOW, until=NOW, ours=True)}


@pytest.mark.parametrize(
    ("signalled_at", "code", "is_alert"),
    [(NOW - 50, 3, True), (NOW - 50, 143, False), (NOW - 100, 3, True), (NOW - 101, 3, False)],
)
def test_podman_mark_after_a_survived_signal_needs_an_exit_by_a_signal(signalled_at, code, is_alert):
    watch = hold_podman(code)
    watch.says_stopped = True
    watch.send("kill", time=signalled_at, signal=1)
    assert bool(judge(watch)) is is_alert


# --- own restarts -----------------------------------------------------------------------------------


def take_down(watch: Watch, **fields) -> None:
    """A restart by HemoStat has stopped the container."""
    watch.registry.stops["c"] = StopRequest(time=NOW, until=NOW + 15, ours=True)
    watch.change(status="exited", finished_at=NOW + 1, **fields)
    watch.registry.upsert(watch.info, NOW + 1)


def test_own_restart_is_awaited_while_it_is_under_way():
    watch = Watch()
    watch.restart()
    take_down(watch)
    assert watch.deaths.look_again(NOW + 2) == []
    assert watch.deaths.look_again(NOW + 3.9) == []
    assert watch.looked == ["c"]
    watch.ledger.attempts = []
    assert [alert.kind for alert in read(watch.deaths.look_again(NOW + 4))] == [Kind.EXITED]


def test_own_restart_whose_lease_is_over_has_failed():
    watch = Watch()
    watch.restart(lease=NOW + 1)
    take_down(watch)
    assert [alert.kind for alert in read(watch.deaths.look_again(NOW + 2))] == [Kind.EXITED]


@pytest.mark.parametrize("status", ["running", "restarting"])
def test_container_that_was_started_is_no_failed_restart(status):
    watch = Watch()
    take_down(watch)
    watch.change(status=status)
    assert watch.deaths.look_again(NOW + 2) == []
    assert watch.registry.stops == {}


def test_round_ends_after_a_hung_inspection():
    watch = Watch()
    other = msgspec.structs.replace(watch.info, ref=Container(id="d", name="d"))
    for info in (watch.info, other):
        watch.registry.upsert(msgspec.structs.replace(info, status="restarting"), NOW)

    def hang(container: str, now: float) -> None:
        watch.looked.append(container)
        watch.hung += 1
        raise EngineTimeoutError("no answer")

    watch.deaths._look = hang
    assert watch.deaths.look_again(NOW + 60) == []
    assert watch.looked == ["c"]


def test_removed_container_is_no_failed_restart():
    watch = Watch()
    take_down(watch)
    watch.info = None
    assert watch.deaths.look_again(NOW + 2) == []


def test_late_exit_under_podman_still_waits_for_the_sign_of_a_stop():
    watch = Watch()
    watch.says_stopped = True
    watch.change(status="exited", exit_code=143, finished_at=NOW)
    assert watch.send("die", exit_code=143, podman=True, time=NOW, now=NOW + 9) == []
    assert judge_until(watch, 60) == []
    assert watch.registry.stops["c"].time == NOW
