"""How long an action may take to stop a container, and what a raised limit does."""

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Container, Kind
from tests.support.clock import FakeClock
from tests.support.responder_harness import MIB, ResponderHarness

WEB = ContainerInfo(
    ref=Container(id="w", name="web", labels={"hemostat.stop_timeout": "30s"}), status="running"
)
DOWN = ContainerInfo(ref=WEB.ref, status="exited")


@pytest.mark.parametrize(
    ("action", "current", "seconds"),
    [
        (Action.RESTART, WEB, 30.0),
        (Action.STOP, WEB, 30.0),
        (Action.START, WEB, 0.0),
        (Action.EXEC, WEB, 0.0),
        (Action.RESTART, DOWN, 0.0),
        (Action.STOP, None, 0.0),
    ],
)
def test_only_an_action_that_stops_a_container_takes_its_stop_timeout(action, current, seconds):
    clock = FakeClock()
    executor = ActionExecutor(InMemoryEngine(clock), clock, ResponderSettings())
    assert executor.find_stop_seconds(action, current) == seconds


@pytest.mark.parametrize(("kind", "starts"), [(Kind.EXITED, 1), (Kind.OOM, 1), (Kind.CPU_HIGH, 0)], ids=str)
def test_container_is_started_after_a_raise_only_where_it_exited_for_it(kind, starts):
    scene = ResponderHarness()
    scene.make("small", memory=64 * MIB)
    scene.clock.advance(60)
    scene.engine.crash("small", 137)
    before = scene.starts()
    executor = ActionExecutor(
        scene.engine, scene.clock, ResponderSettings(scale_memory_max=1024 * MIB, actions=frozenset(Action))
    )
    request = scene.request(kind, Action.SCALE, container="small", parameters={"resource": "memory"})
    info = scene.engine.inspect("small")
    assert "memory" in executor.perform(request.data, info).detail
    assert scene.starts() - before == starts
    assert scene.engine.inspect("small").memory_limit > 64 * MIB


def test_start_of_a_resumed_action_is_logged_once(caplog):
    caplog.set_level("INFO")
    scene = ResponderHarness()
    executor = ActionExecutor(scene.engine, scene.clock, ResponderSettings())
    request = scene.request(Kind.EXITED, Action.RESTART, container="web").data
    since = scene.engine.inspect("web").started_at
    for again in (False, True, True):
        executor.perform(request, scene.engine.inspect("web"), since=since, again=again)
    assert caplog.text.count("action.started") == 1
