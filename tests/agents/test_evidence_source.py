"""What can be found out about an incident as it happens, and of one that was recorded."""

import threading

import msgspec
import pytest

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.in_memory.precedents import InMemoryPrecedents
from hemostat.agents.analyzer import LiveEvidenceSource, RecordedEvidenceSource, evidence_source
from hemostat.app import EnginePool
from hemostat.core.diagnosis.case import Precedent, compute_signature, decode, encode
from hemostat.errors import DecodeError, EngineError, EngineUnreachableError
from hemostat.events import Action, Container, Event, Kind, Outcome, Phase
from hemostat.evidence_collector import TIMED_OUT
from hemostat.ports import ContainerSpec, Engine
from tests.support.advisors import recording
from tests.support.clock import FakeClock
from tests.support.samples import NOW, alert, complete, event


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.engine = InMemoryEngine(self.clock)
        self.bus = InMemoryBus(self.clock)
        self.casebook = InMemoryPrecedents(self.clock)
        spec = ContainerSpec(name="web", image="web:1", command=("web",), labels={})
        self.container: Container = self.engine.inspect(self.engine.run(spec)).ref
        self.told = alert(container=self.container, kind=Kind.CPU_HIGH)

    def witness(self, connect=None) -> LiveEvidenceSource:
        def engine() -> Engine:
            return self.engine

        engines = EnginePool({"h": connect or engine})
        return LiveEvidenceSource(engines.get, self.bus, self.casebook, self.clock)

    def alert(self, host: str = "h") -> Event:
        return Event.make(self.told, time=NOW, host=host, source="monitor@1", incident="i1")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_case_has_container_alert_and_precedents(scene):
    scene.bus.publish([event(complete(container=scene.container)), scene.alert()])
    past = Precedent(
        time=NOW, host="h", container="web", action=Action.RESTART, outcome=Outcome.HEALED, cause="runaway"
    )
    scene.casebook.add_precedent(compute_signature(scene.told), "k", past)
    case = scene.witness().build_case(scene.alert())
    assert case.dossier.details is not None
    assert case.dossier.state.status == "running"
    assert any("web: restarted, healed" in line for line in case.story)
    assert case.past == (past,)


def test_case_of_another_host_has_events_only(scene):
    def connect() -> Engine:
        raise AssertionError("the wrong engine")

    witness = scene.witness(connect)
    assert witness.build_case(scene.alert(host="elsewhere")).dossier is None
    for look in (witness.list_processes, witness.read_details, lambda *where: witness.read_log(*where, 5)):
        with pytest.raises(EngineError, match="runs on elsewhere"):
            look("elsewhere", scene.container)
    scene.bus.publish([scene.alert(host="elsewhere")])
    assert len(witness.describe_recent_events("elsewhere", scene.container)) == 1
    assert witness.describe_recent_events("h", scene.container) == []


def test_unreachable_engine_leaves_a_minimal_case(scene):
    def connect() -> Engine:
        raise EngineUnreachableError("gone")

    witness = scene.witness(connect)
    assert witness.build_case(scene.alert()).dossier is None
    with pytest.raises(EngineError, match="gone"):
        witness.read_log("h", scene.container, 5)


def test_removed_container_leaves_a_minimal_case(scene):
    scene.engine.remove("web")
    assert scene.witness().build_case(scene.alert()).dossier is None


def test_source_that_hangs_does_not_delay_the_snapshot(scene, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(evidence_source, "EVIDENCE_SECONDS", 0.2)
    monkeypatch.setattr(scene.engine, "top", lambda _: release.wait(20.0))
    snapshot = evidence_source.take_snapshot(lambda: scene.engine, lambda _: (), scene.told, NOW)
    release.set()
    assert snapshot.missing == {"processes": TIMED_OUT}
    assert snapshot.details is not None


def test_eval_case_is_read_back_as_written():
    kept = recording(alert(kind=Kind.CPU_HIGH, phase=Phase.RAISED))
    assert decode(encode(kept)) == kept
    with pytest.raises(DecodeError, match="not a recorded incident"):
        decode(b"{}")


def test_container_of_an_eval_case_is_as_recorded():
    kept = recording(alert())
    witness = RecordedEvidenceSource(kept)
    web = kept.case.alert.container
    assert witness.read_log("h", web, 1) == "connection refused, retrying at once"
    assert witness.list_processes("h", web) == ("web --serve",)
    assert len(witness.read_metrics("h", web)) == 2
    with pytest.raises(EngineError, match="not recorded"):
        witness.read_details("h", Container(id="other", name="other"))


def test_name_equal_to_another_id_shows_no_other_container(scene):
    """The engine takes a full id for the container of that id, whatever is named like it."""
    spec = ContainerSpec(name=scene.container.id, image="web:1", command=("spy",), labels={})
    spy = scene.engine.inspect(scene.engine.run(spec)).ref
    assert scene.witness().list_processes("h", spy) == scene.engine.top(spy.id) != scene.engine.top("web")


def test_incident_log_has_no_foreign_events_or_names(scene):
    """Of the same name were a container that is gone, and the host itself."""
    others = (
        Container(id="gone", name="web"),
        Container(id="", name="web"),
        Container(id="evil", name="evil"),
    )
    dependent = msgspec.structs.replace(scene.told, root="", downstream=("evil",))
    told = [Event.make(dependent, time=NOW, host="h", source="monitor@1", incident="i1")]
    told += [event(complete(container=each, detail="OBEY")) for each in others]
    scene.bus.publish(told)
    story = "\n".join(scene.witness().build_case(told[0]).story)
    assert "web" in story
    assert "evil" not in story
    assert "OBEY" not in story
