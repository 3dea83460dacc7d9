"""The content of an eval case that the scenario suite captures, and what it leaves out."""

from types import SimpleNamespace

import msgspec

from hemostat.core.diagnosis.case import EvalCase, EvidenceCase, ExpectedDiagnosis, Precedent
from hemostat.events import Action, Container, Kind, Outcome
from tests.e2e.scenarios.model import HOST, Expected
from tests.e2e.scenarios.recorder import plain
from tests.e2e.scenarios.suite import SCENARIOS
from tests.support.advisors import dossier
from tests.support.samples import NOW, alert

PREFIX = "hs-1a2b3c-memory-leak"
LABELS = {"hemostat.scenario": "1a2b3c", "com.docker.compose.project": PREFIX}
LAB = SimpleNamespace(prefix=PREFIX, directory="/tmp/hs-x", names={f"{PREFIX}-db": "db", "ab" * 32: "db"})


def recorded(*containers: str) -> EvalCase:
    told = alert(container=Container(id="ab" * 32, name=f"{PREFIX}-db", labels=LABELS))
    past = tuple(
        Precedent(time=NOW, host="vm7", container=name, action=Action.NONE, outcome=Outcome.FAILED, cause="")
        for name in containers
    )
    kept = dossier(told, log=f"vm7: vm71 {'ab' * 6}: {PREFIX}-db is down")
    case = EvidenceCase(host="vm7", incident="i", time=NOW, alert=told, dossier=kept, past=past)
    return EvalCase(case=case, neighbours={f"{PREFIX}-db": kept})


def test_names_ids_and_host_are_anonymised():
    told = plain(recorded(), "it leaks", LAB, "memory-leak-db-exited")
    about = told.case.alert.container
    assert (told.case.host, about.name, len(about.id)) == ("host1", "db", 12)
    assert about.labels == {"com.docker.compose.project": "shop"}
    assert told.case.dossier.log == f"host1: vm71 {about.id}: db is down"
    assert list(told.neighbours) == ["db"]
    assert "memory-leak" not in str(told)


def test_precedents_of_other_scenarios_are_left_out():
    told = plain(recorded(f"{PREFIX}-db", "hs-1a2b3c-sigkill-app"), "", LAB, "n")
    assert [each.container for each in told.case.past] == ["db"]


def test_earlier_attempts_have_the_new_incident_id():
    taken = recorded(f"{PREFIX}-db", f"{PREFIX}-db")
    before, own = taken.case.past
    past = (before, msgspec.structs.replace(own, incident="i"))
    case = msgspec.structs.replace(taken.case, past=past)
    told = plain(msgspec.structs.replace(taken, case=case), "", LAB, "n")
    assert [each.incident for each in told.case.past] == ["", told.case.incident]
    assert told.case.incident != "i"


def test_truth_of_a_relapse_is_from_the_scenario():
    expected = Expected(kind=Kind.UNHEALTHY, causes=("hung",), again=("none",))
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("restart",), roots=("app",))
    assert expected.truth_again == ExpectedDiagnosis(causes=("hung",), actions=("none",), roots=("app",))
    assert msgspec.structs.replace(expected, again=()).truth_again is None


def test_truth_is_the_injected_fault():
    expected = Expected(kind=Kind.UNHEALTHY, on="web", root="db", action=None, causes=("hung",))
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("false_alarm",), roots=("db",))
    expected = msgspec.structs.replace(
        expected, root="", on=HOST, action=Action.NONE, right=("none", "cleanup")
    )
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("none", "cleanup"), roots=("host",))
    assert msgspec.structs.replace(expected, causes=()).truth is None


def test_every_required_incident_has_a_truth():
    assert [
        scenario.name for scenario in SCENARIOS.values() if not all(each.truth for each in scenario.required)
    ] == []
