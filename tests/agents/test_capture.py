"""Reported incidents as eval cases: what was known when they were raised, and nothing later."""

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.in_memory.evidence import InMemoryEvidence
from hemostat.adapters.in_memory.precedents import InMemoryPrecedents
from hemostat.agents.analyzer.capture import EvalCapture
from hemostat.app import EnginePool
from hemostat.core.diagnosis.case import Precedent, compute_signature
from hemostat.errors import EngineUnreachableError, HemoStatError
from hemostat.events import Action, Evidence, Kind, Outcome, Phase
from hemostat.ports import ContainerSpec
from tests.support.advisors import dossier
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, complete, event, needed, stats


class Scene:
    """Containers `web` and `db` that run since a minute before NOW."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW - 60)
        self.engine = InMemoryEngine(self.clock)
        self.bus = InMemoryBus(self.clock)
        self.dossiers = InMemoryEvidence()
        self.casebook = InMemoryPrecedents(self.clock)
        self.ids = {name: self.run(name) for name in ("web", "db")}
        self.clock.advance(60)
        self.ref = self.engine.inspect("web").ref
        self.told = alert(container=self.ref, kind=Kind.UNHEALTHY, root="db")
        engines = EnginePool({"h": lambda: self.engine})
        self.archive = EvalCapture(engines.get, self.bus, self.dossiers, self.casebook)

    def run(self, name: str) -> str:
        return self.engine.run(ContainerSpec(name=name, image="i:1", command=(name,), labels={}))

    def recording(self, *also: str, **changes):
        return self.archive.build_eval_case(event(msgspec.structs.replace(self.told, **changes)), also)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_stored_evidence_comes_first_without_the_action(scene):
    scene.dossiers.put("i1", dossier(scene.told, time=NOW + 1, action=Action.RESTART, log="as it was"))
    scene.dossiers.put("i1", dossier(scene.told, time=NOW + 9, action=Action.NONE, rung=1, log="after it"))
    scene.engine.restart("web")
    case = scene.recording().case
    assert (case.dossier.log, case.dossier.action, case.dossier.rung) == ("as it was", Action.NONE, 0)
    assert case.time == NOW + 1


def test_other_occurrence_is_not_in_the_eval_case(scene):
    scene.dossiers.put("i1", dossier(scene.told, log="the first time"))
    scene.clock.advance(1)
    scene.engine.restart("web")
    assert scene.recording(occurrence=2).case.dossier is None


def test_unchanged_container_is_inspected(scene):
    scene.bus.publish_live(
        [event(stats(container=scene.ref), -5), event(stats(container=scene.ref), 5)], ttl=60
    )
    scene.clock.advance(10)
    found = scene.recording("cache")
    assert found.case.dossier.state.status == "running"
    assert [point.time for point in found.case.dossier.samples] == [NOW - 5]
    assert found.neighbours["db"].container.name == "db"
    assert "cache" not in found.neighbours


@pytest.mark.parametrize("change", ["restart", "stop", "remove"])
def test_changed_container_is_left_out(scene, change):
    scene.clock.advance(1)
    for name in ("web", "db"):
        getattr(scene.engine, change)(name)
    found = scene.recording()
    assert (found.case.dossier, found.neighbours) == (None, {})


def test_remote_or_unreachable_engine_is_tolerated(scene):
    def gone():
        raise EngineUnreachableError("gone")

    archive = EvalCapture(EnginePool({"h": gone}).get, scene.bus, scene.dossiers, scene.casebook)
    assert archive.build_eval_case(event(scene.told)).case.dossier is None
    assert scene.archive.build_eval_case(event(scene.told, host="elsewhere")).neighbours == {}


def test_outcome_is_not_in_the_eval_case(scene):
    db = msgspec.structs.replace(scene.told, container=scene.engine.inspect("db").ref, root="")
    scene.bus.publish(
        [
            event(db, -3, incident="i0"),
            event(alert(), -2, incident="i9", host="h2"),
            event(scene.told),
            event(needed(alert=scene.told), 0.1),
            event(complete(container=scene.ref), 2),
        ]
    )
    past = Precedent(
        time=NOW - 9, host="h", container="web", action=Action.RESTART, outcome=Outcome.FAILED, cause=""
    )
    scene.casebook.add_precedent(compute_signature(scene.told), "before", past)
    scene.casebook.add_precedent(
        compute_signature(scene.told), "after", msgspec.structs.replace(past, time=NOW + 2)
    )
    case = scene.recording().case
    assert case.story[0].startswith("3 s ago, db: health check fails")
    assert [line.partition(", ")[2].partition(":")[0] for line in case.story] == ["db", "web"]
    assert case.story[-1].startswith("0 ms ago, web: health check fails")
    assert case.past == (past,)


def test_secrets_in_events_are_masked(scene):
    fact = Evidence("probe", "401 for password=hunter2")
    labelled = msgspec.structs.replace(scene.ref, labels={"hemostat.exec": "login --password=hunter2"})
    scene.bus.publish([event(msgspec.structs.replace(scene.told, evidence=(fact,), container=labelled))])
    found = scene.recording(evidence=(fact,), container=labelled)
    assert "hunter2" not in str(found)
    assert "[redacted: password]" in found.case.alert.get_fact("probe")


def test_last_alert_of_an_incident_is_analysed(scene):
    again = msgspec.structs.replace(scene.told, occurrence=2)
    over = msgspec.structs.replace(scene.told, phase=Phase.CLEARED)
    scene.bus.publish([event(scene.told), event(again, 5), event(over, 9)])
    assert scene.archive.find_last_alert("i1").data == again
    scene.bus.publish([event(complete(container=scene.ref), incident="i2")])
    with pytest.raises(HemoStatError, match="the alert of incident i2 is no longer stored"):
        scene.archive.find_last_alert("i2")


def test_incident_is_found_by_the_beginning_of_its_id_alone(scene):
    scene.bus.publish([event(scene.told, incident="abc1"), event(scene.told, 1, incident="abd2")])
    assert scene.archive.find_incident("abd").incident == "abd2"
    with pytest.raises(HemoStatError, match="2 incidents begin with 'ab'"):
        scene.archive.find_incident("ab")
    with pytest.raises(HemoStatError, match="no incident 'other' exists"):
        scene.archive.find_incident("other")
