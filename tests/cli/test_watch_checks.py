"""Whether doctor notices containers that the engine has and the monitor does not watch."""

import pytest

from hemostat.cli.doctor.findings import Level
from hemostat.cli.doctor.watch_checks import judge_watch
from hemostat.core.model import ListedContainer
from hemostat.events import Container, ContainerStats, State
from tests.support.samples import NOW, event, heartbeat


def row(name: str, age: float | None = 60.0, status: str = "running", **labels: str) -> ListedContainer:
    ref = Container(id=name, name=name, labels={f"hemostat.{key}": value for key, value in labels.items()})
    return ListedContainer(ref=ref, status=status, age=age)


def judged(rows, shown, *, beats=None, started=0.0):
    running = [event(heartbeat("monitor", started=started))] if beats is None else beats
    stats = [
        event(ContainerStats(container=Container(id=name, name=name), state=State(status="running")))
        for name in shown
    ]
    return judge_watch(rows, stats, running, event(heartbeat("monitor")).host, NOW)


def test_unwatched_container_is_a_failure():
    finding = judged([row("web"), row("evil")], ["web"])
    assert finding.level is Level.FAILURE
    assert finding.message == "1 of 2 containers of the engine are not watched: evil"
    assert "hemostat status" in finding.hint


def test_monitor_without_containers_is_a_failure():
    finding = judged([row(f"c{number}-{'x' * 300}") for number in range(100)], [])
    assert finding.level is Level.FAILURE
    assert "and 95 more" in finding.message
    assert len(finding.message) < 500


@pytest.mark.parametrize(
    "other",
    [row("x", age=3.0), row("x", enable="false"), row("x", status="removing")],
    ids=["new", "opted out", "going"],
)
def test_containers_outside_the_watch_are_not_failures(other):
    assert judged([row("web"), other], ["web"]) == (Level.OK, "all 1 containers of the engine", "")


def test_watch_check_is_skipped_without_a_monitor():
    assert judged([row("web")], [], beats=[]).level is Level.OK
    assert judged([row("web")], [], started=NOW - 3.0).level is Level.OK
