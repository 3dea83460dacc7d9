"""What the scenario suite writes down of an incident, and what it leaves out."""

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


def test_names_ids_and_the_host_are_told_as_anybody_might_have_them():
    told = plain(recorded(), "it leaks", LAB, "memory-leak-db-exited")
    about = told.case.alert.container
    assert (told.case.host, about.name, len(about.id)) == ("host1", "db", 12)
    assert about.labels == {"com.docker.compose.project": "shop"}
    assert told.case.dossier.log == f"host1: vm71 {about.id}: db is down"
    assert list(told.neighbours) == ["db"]
    assert "memory-leak" not in str(told)


def test_what_other_scenarios_went_through_is_no_past_of_this_one():
    told = plain(recorded(f"{PREFIX}-db", "hs-1a2b3c-sigkill-app"), "", LAB, "n")
    assert [each.container for each in told.case.past] == ["db"]


def test_what_was_tried_against_the_incident_is_known_by_its_new_id():
    taken = recorded(f"{PREFIX}-db", f"{PREFIX}-db")
    before, own = taken.case.past
    past = (before, msgspec.structs.replace(own, incident="i"))
    case = msgspec.structs.replace(taken.case, past=past)
    told = plain(msgspec.structs.replace(taken, case=case), "", LAB, "n")
    assert [each.incident for each in told.case.past] == ["", told.case.incident]
    assert told.case.incident != "i"


def test_the_truth_of_a_relapse_is_known_where_the_scenario_tells_it():
    expected = Expected(kind=Kind.UNHEALTHY, causes=("hung",), again=("none",))
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("restart",), roots=("app",))
    assert expected.truth_again == ExpectedDiagnosis(causes=("hung",), actions=("none",), roots=("app",))
    assert msgspec.structs.replace(expected, again=()).truth_again is None


def test_the_truth_is_what_was_done_to_the_containers():
    expected = Expected(kind=Kind.UNHEALTHY, on="web", root="db", action=None, causes=("hung",))
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("false_alarm",), roots=("db",))
    expected = msgspec.structs.replace(
        expected, root="", on=HOST, action=Action.NONE, right=("none", "cleanup")
    )
    assert expected.truth == ExpectedDiagnosis(causes=("hung",), actions=("none", "cleanup"), roots=("host",))
    assert msgspec.structs.replace(expected, causes=()).truth is None


def test_of_every_incident_that_must_be_told_the_truth_is_known():
    assert [
        scenario.name for scenario in SCENARIOS.values() if not all(each.truth for each in scenario.required)
    ] == []
