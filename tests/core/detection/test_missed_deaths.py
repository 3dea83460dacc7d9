"""Deaths that the monitor missed, restarts that never came, and kernel kills that are survived."""

import pytest

from hemostat.core.detection import deaths
from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.events import HealthAlert, Kind, Phase
from tests.core.detection.test_deaths import NOW, Host, read, tell


def find(host: Host, watched_until: float = NOW - 50) -> list[HealthAlert]:
    return read(deaths.find_missed_death(host.registry, host.container, watched_until, NOW))


def stop(**fields) -> StopRequest:
    return StopRequest(**{"time": NOW - 2, "until": NOW + 9, **fields})


def test_missed_death_is_an_alert_with_its_end():
    (alert,) = find(Host())
    assert (alert.kind, alert.since, tell(alert)) == (Kind.EXITED, NOW - 1, {"exit_code": 1, "ran": 99.0})


def test_missed_death_is_reported_once():
    host = Host()
    find(host)
    assert find(host) == []
    host.update(started_at=NOW - 0.5, finished_at=NOW)
    assert len(find(host)) == 1, "another process died"


@pytest.mark.parametrize("request_", [stop(), stop(ours=True), stop(ours=True, until=NOW - 50)])
def test_missed_death_that_was_requested_is_no_alert(request_):
    host = Host()
    host.registry.stops["c"] = request_
    assert find(host) == []


def test_missed_death_after_a_survived_signal_is_an_alert():
    host = Host()
    host.registry.stops["c"] = stop(until=NOW - 2)
    assert len(find(host)) == 1


def test_missed_death_waits_while_its_exit_is_judged():
    host = Host()
    host.registry.pending_exits["c"] = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    assert find(host) == []


def test_death_before_the_first_look_is_not_missed():
    assert find(Host(), watched_until=0.0) == []
    assert find(Host(), watched_until=NOW - 1) == []


@pytest.mark.parametrize(("age", "is_reported"), [(599.0, True), (600.0, False)])
def test_missed_death_is_reported_for_ten_minutes(age, is_reported):
    assert bool(find(Host(started_at=NOW - 9000, finished_at=NOW - age), NOW - 8000)) is is_reported


def test_container_that_docker_gave_up_is_reported_though_not_watched():
    host = Host(restart_policy="always", error="no such mount")
    host.registry.stops["c"] = stop()
    (alert,) = find(host, watched_until=0.0)
    assert tell(alert) == {"given_up": True, "exit_code": 1, "ran": 99.0, "engine_says": "no such mount"}
    assert alert.since == NOW - 1
    assert host.registry.stops == {}


def test_failed_start_began_with_the_start():
    host = Host(restart_policy="always", error="no such mount", started_at=NOW, finished_at=NOW - 9)
    assert [alert.since for alert in find(host)] == [NOW]


def report_earlier(**fields) -> dict[str, object] | None:
    host = Host(**{"finished_at": NOW - 3600, "started_at": NOW - 4000, **fields})
    alerts = read(deaths.report_earlier_death(host.registry, host.container, NOW))
    assert read(deaths.report_earlier_death(host.registry, host.container, NOW)) == []
    return tell(alerts[0]) if alerts else None


def test_failure_before_the_first_look_is_reported_once():
    assert report_earlier() == {"dead_before": True, "exit_code": 1, "ran": 400.0}
    assert report_earlier(exit_code=0) is None


# --- owners that restart ----------------------------------------------------------------------------


def await_restart(exit_code: int = 1, **fields) -> Host:
    """A container whose death Docker should have answered by a restart."""
    host = Host(restart_policy="always", **fields)
    host.registry.awaited_restarts["c"] = PendingExit(exit_code=exit_code, time=NOW - 1, due=NOW)
    return host


def check(host: Host) -> list[HealthAlert]:
    return read(deaths.report_if_given_up(host.registry, host.container, NOW))


def test_container_that_stays_down_despite_its_policy_is_reported():
    host = await_restart()
    (alert,) = check(host)
    assert tell(alert) == {"given_up": True, "exit_code": 1, "ran": 99.0}
    assert host.registry.awaited_restarts == {}
    assert check(host) == []


@pytest.mark.parametrize("status", ["restarting", "removing"])
def test_restart_is_awaited_while_the_engine_works(status):
    host = await_restart(status=status)
    assert check(host) == []
    assert "c" in host.registry.awaited_restarts


def test_restarted_container_is_not_reported():
    host = await_restart(status="running")
    assert check(host) == []
    assert host.registry.awaited_restarts == {}


def test_stopped_container_is_reported_only_if_its_start_failed():
    host = await_restart()
    host.registry.stops["c"] = stop()
    assert check(host) == []
    host = await_restart(error="no such mount")
    host.registry.stops["c"] = stop()
    assert len(check(host)) == 1


def test_clean_end_is_reported_only_if_the_next_start_failed():
    assert check(await_restart(0)) == []
    assert len(check(await_restart(0, error="no such mount"))) == 1


def test_container_known_as_dead_is_not_reported_again():
    host = await_restart()
    find(Host())
    host.registry.report_failure(host.container, Kind.EXITED, since=NOW - 1, now=NOW)
    assert check(host) == []


# --- survived kernel kills and own restarts ---------------------------------------------------------


def report_oom(host: Host, killed_at: float) -> list[HealthAlert]:
    return read(deaths.report_survived_oom(host.registry, host.container, killed_at, NOW))


def test_kernel_kill_of_a_child_is_reported_while_the_container_runs():
    host = Host(status="running", finished_at=0.0)
    (alert,) = report_oom(host, NOW - 5)
    assert (alert.kind, alert.since, tell(alert)) == (Kind.OOM, NOW - 5, {"survived": True})
    assert report_oom(host, NOW - 4) == [], "it is open"
    assert report_oom(Host(), NOW - 5) == [], "the container is down"


@pytest.mark.parametrize(("killed_at", "count"), [(NOW - 100, 1), (NOW - 100.1, 0)])
def test_kernel_kill_of_an_earlier_run_is_not_reported(killed_at, count):
    assert len(report_oom(Host(status="running", finished_at=0.0), killed_at)) == count


def test_survived_kernel_kill_does_not_hide_a_later_death():
    host = Host(status="running", finished_at=0.0)
    report_oom(host, NOW - 5)
    host.update(status="exited", finished_at=NOW - 1)
    assert [alert.kind for alert in host.die(1)] == [Kind.EXITED]


def test_event_of_a_death_that_a_listing_found_is_not_a_second_death():
    host = Host()
    find(host)
    assert host.die() == []


def test_own_restart_that_left_the_container_down_is_reported():
    host = Host()
    host.registry.stops["c"] = stop(ours=True)
    host.registry.report_failure(host.container, Kind.UNHEALTHY, since=NOW - 60, now=NOW - 50)
    over, alert = read(deaths.report_failed_restart(host.registry, host.container, NOW))
    assert (over.kind, over.phase) == (Kind.UNHEALTHY, Phase.CLEARED)
    assert (alert.kind, alert.since) == (Kind.EXITED, NOW - 1)
    assert tell(alert) == {"taken_down": True, "exit_code": 1, "ran": 99.0}
    assert host.registry.stops == {}
    assert deaths.report_failed_restart(host.registry, host.container, NOW) == []
