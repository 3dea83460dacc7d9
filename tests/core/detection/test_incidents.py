"""One incident a container and kind while it lasts."""

from hemostat.core.detection.incidents import IncidentRegister
from hemostat.events import Kind, Phase, Severity
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
