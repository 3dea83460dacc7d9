"""One incident a container and kind while it lasts."""

import pytest

from hemostat.core.dependencies.root_cause import HoldReason, RootCause
from hemostat.core.detection.incidents import CRITICAL_KINDS, MAX_DOWNSTREAM, IncidentRegister
from hemostat.events import Container, Evidence, Kind, Phase, Severity
from tests.support.samples import NOW, WEB


def test_repeated_failure_is_the_same_incident():
    register = IncidentRegister("h")
    first, alert = register.open_incident(WEB, Kind.EXITED, since=NOW)
    second, again = register.open_incident(WEB, Kind.EXITED, since=NOW + 5)
    assert first == second
    assert (alert.occurrence, again.occurrence) == (1, 2)
    assert again.since == NOW + 5


def test_failure_after_the_close_is_a_new_incident():
    register = IncidentRegister("h")
    first, _ = register.open_incident(WEB, Kind.EXITED, since=NOW)
    ((closed, told),) = register.close_incidents(WEB.id)
    second, _ = register.open_incident(WEB, Kind.EXITED, since=NOW + 60)
    assert (closed, told.phase) == (first, Phase.CLEARED)
    assert second != first


def test_each_kind_is_its_own_incident():
    register = IncidentRegister("h")
    register.open_incident(WEB, Kind.EXITED, since=NOW)
    register.open_incident(WEB, Kind.UNHEALTHY, since=NOW)
    assert [alert.kind for _, alert in register.close_incidents(WEB.id, [Kind.UNHEALTHY])] == [Kind.UNHEALTHY]
    assert (WEB.id, Kind.EXITED) in register


def test_incident_that_is_not_open_cannot_be_closed():
    assert IncidentRegister("h").close_incidents(WEB.id) == []


def test_restored_registry_continues_its_incidents():
    register = IncidentRegister("h")
    name, _ = register.open_incident(WEB, Kind.EXITED, since=NOW)
    restored = IncidentRegister("h", tuple(register))
    assert restored.open_incident(WEB, Kind.EXITED, since=NOW + 1)[0] == name


def test_death_is_critical_and_threshold_a_warning():
    register = IncidentRegister("h")
    assert register.open_incident(WEB, Kind.OOM, since=NOW)[1].severity is Severity.CRITICAL
    assert register.open_incident(WEB, Kind.CPU_HIGH, since=NOW)[1].severity is Severity.WARNING


def test_ended_incident_is_forgotten_after_the_relapse_window():
    register = IncidentRegister("h", relapse_window=60.0)
    register.open_incident(WEB, Kind.EXITED, since=NOW)
    register.close_incidents(WEB.id)
    register.expire(NOW)
    register.expire(NOW + 59)
    assert [each.kind for each in register.ended] == [Kind.EXITED]
    register.expire(NOW + 61)
    assert register.ended == ()


def reopen(*, ended: float, since: float, window: float = 100.0) -> int:
    """Number of the occurrence of a failure that returned at `since`."""
    register = IncidentRegister("h", relapse_window=window)
    register.open_incident(WEB, Kind.EXITED, since=NOW)
    register.close_incidents(WEB.id)
    register.expire(ended)
    return register.open_incident(WEB, Kind.EXITED, since=since)[1].occurrence


def test_failure_that_returns_within_the_window_is_a_relapse():
    assert reopen(ended=NOW + 50, since=NOW + 149.9) == 2
    assert reopen(ended=NOW + 50, since=NOW + 150) == 1
    assert reopen(ended=NOW + 50, since=NOW + 60, window=0.0) == 1


def test_relapse_is_told_unless_the_condition_never_ended():
    register = IncidentRegister("h", relapse_window=100.0)
    assert not register.open_incident(WEB, Kind.EXITED, since=NOW)[1].relapsed
    assert register.open_incident(WEB, Kind.EXITED, since=NOW + 1)[1].relapsed
    assert not register.open_incident(WEB, Kind.EXITED, since=NOW + 2, relapsed=False)[1].relapsed


@pytest.mark.parametrize(("age", "count"), [(99.9, 1), (100.0, 0), (-99.9, 1), (-100.0, 0)])
def test_ended_incident_is_forgotten_after_the_window(age, count):
    register = IncidentRegister("h", relapse_window=100.0)
    register.open_incident(WEB, Kind.EXITED, since=NOW)
    register.close_incidents(WEB.id)
    assert [each.ended for each in register.ended] == [0.0]
    register.expire(NOW)
    assert [each.ended for each in register.ended] == [NOW]
    register.expire(NOW + age)
    assert len(register.ended) == count


def test_container_that_is_gone_leaves_no_ended_incident():
    register = IncidentRegister("h", relapse_window=100.0)
    for ref in (WEB, Container(id="other", name="other")):
        register.open_incident(ref, Kind.EXITED, since=NOW)
        register.close_incidents(ref.id)
    register.forget(WEB.id)
    assert [each.container.id for each in register.ended] == ["other"]


def test_alert_names_the_cause_and_what_depends_on_the_container():
    register = IncidentRegister("h")
    names = tuple(f"c{number}" for number in range(MAX_DOWNSTREAM + 1))
    cause = RootCause("db", HoldReason.DEPENDENCY, (Evidence("waits", 1),))
    _, alert = register.open_incident(
        WEB,
        Kind.HUNG,
        since=NOW,
        window=7.0,
        evidence=[Evidence("probe", "x")],
        cause=cause,
        downstream=names,
    )
    assert (alert.root, alert.window, alert.downstream_count) == ("db", 7.0, MAX_DOWNSTREAM + 1)
    assert alert.downstream == names[:-1]
    assert alert.evidence == (Evidence("probe", "x"), Evidence("waits", 1))
    (incident,) = register
    assert (incident.held, incident.evidence) == (HoldReason.DEPENDENCY, (Evidence("probe", "x"),))
    assert incident.key == (WEB.id, Kind.HUNG)


def test_incident_of_a_probe_that_never_reached_says_so():
    register = IncidentRegister("h")
    register.open_incident(WEB, Kind.HUNG, since=NOW, evidence=[Evidence("never_reached", True)])
    register.open_incident(WEB, Kind.OOM, since=NOW, evidence=[Evidence("survived", True)])
    assert [each.is_never_reached for each in register] == [True, False]


@pytest.mark.parametrize("kind", list(Kind))
def test_alert_is_critical_by_its_kind(kind):
    _, alert = IncidentRegister("h").open_incident(WEB, kind, since=NOW)
    assert (alert.severity is Severity.CRITICAL) is (kind in CRITICAL_KINDS)
