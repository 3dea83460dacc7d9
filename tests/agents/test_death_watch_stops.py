"""Kernel kills, signals, stops and starts, and containers that are found dead."""

import pytest

from hemostat.core.detection.stop_intent import PendingExit, StopRequest
from hemostat.core.ledger.rows import ManualStop
from hemostat.events import Kind
from tests.agents.test_death_watch import KILL, NOW, TERM, Watch, read

# --- kernel kills -----------------------------------------------------------------------------------


def test_survived_kernel_kill_is_reported_after_six_seconds():
    watch = Watch()
    assert watch.send("oom") == []
    assert watch.registry.ooms == {"c": NOW}
    assert watch.deaths.judge_ooms(NOW + 5.9) == []
    assert [(alert.kind, alert.since) for alert in read(watch.deaths.judge_ooms(NOW + 6))] == [
        (Kind.OOM, NOW)
    ]
    assert watch.deaths.judge_ooms(NOW + 7) == []


def test_second_kernel_kill_does_not_delay_the_report():
    watch = Watch()
    watch.send("oom")
    watch.deaths.note_oom("c", NOW + 5.5)
    assert len(watch.deaths.judge_ooms(NOW + 6)) == 1


def test_kernel_kill_of_a_removed_container_is_no_alert():
    watch = Watch()
    watch.deaths.note_oom("gone", NOW)
    assert watch.deaths.judge_ooms(NOW + 2) == []
    watch.send("oom")
    watch.deaths.forget("c")
    assert watch.deaths.judge_ooms(NOW + 2) == []


# --- signals ----------------------------------------------------------------------------------------


def test_stop_by_a_person_is_noted_in_the_ledger():
    watch = Watch()
    watch.send("kill", signal=TERM)
    assert watch.registry.has_kill_events
    assert watch.registry.stops == {"c": StopRequest(time=NOW, until=NOW + 15, hold=NOW + 90)}
    assert watch.ledger.stops == [ManualStop(NOW, NOW + 90)]


def test_signal_that_stops_nothing_is_not_noted():
    watch = Watch()
    watch.send("kill", signal=1)
    assert (watch.registry.stops, watch.ledger.stops) == ({}, [])


def test_stop_without_a_ledger_is_a_persons():
    watch = Watch(ledger=False)
    watch.restart()
    watch.send("kill", signal=TERM)
    assert not watch.registry.stops["c"].ours


def test_first_stop_signal_of_an_own_restart_is_own():
    watch = Watch()
    watch.restart()
    watch.send("kill", signal=TERM)
    assert watch.registry.stops["c"].ours
    assert watch.ledger.stops == []
    watch.send("kill", signal=KILL)
    assert watch.registry.stops["c"].ours, "the timeout of the restart"
    watch.send("kill", signal=TERM)
    assert not watch.registry.stops["c"].ours
    assert watch.ledger.stops == [ManualStop(NOW, NOW + 90)]


def test_each_attempt_of_a_restart_sends_one_stop_signal():
    watch = Watch()
    watch.restart(tries=2)
    for _ in range(2):
        watch.send("kill", signal=TERM)
        assert watch.registry.stops["c"].ours
    watch.restart(key="k2")
    watch.send("kill", signal=TERM)
    assert watch.registry.stops["c"].ours, "another restart"


def override(watch: Watch) -> None:
    """A person seems to stop the container during a restart by HemoStat."""
    watch.restart()
    for _ in range(2):
        watch.send("kill", signal=TERM)
    assert not watch.registry.stops["c"].ours


@pytest.mark.parametrize(("later", "is_engine"), [(30.0, True), (30.1, False)])
def test_stop_of_an_engine_that_shuts_down_is_no_persons(later, is_engine):
    watch = Watch()
    override(watch)
    watch.deaths.note_engine_lost(NOW + later)
    assert watch.registry.stops["c"].ours is is_engine
    assert (watch.ledger.stops[-1] == ManualStop(0.0, 0.0)) is is_engine


def test_stop_is_corrected_once_and_only_while_it_is_known():
    watch = Watch()
    override(watch)
    watch.registry.stops.clear()
    watch.deaths.note_engine_lost(NOW)
    assert watch.registry.stops == {}
    watch.registry.stops["c"] = StopRequest(time=NOW, until=NOW + 9)
    watch.deaths.note_engine_lost(NOW)
    assert not watch.registry.stops["c"].ours


def test_stop_without_an_own_restart_stays_a_persons():
    watch = Watch()
    watch.send("kill", signal=TERM)
    watch.deaths.note_engine_lost(NOW)
    assert not watch.registry.stops["c"].ours


# --- stops and starts -------------------------------------------------------------------------------


def test_stop_event_explains_a_held_exit():
    watch = Watch()
    watch.registry.pending_exits["c"] = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    assert watch.send("stop") == []
    assert watch.registry.pending_exits == {}
    assert watch.registry.stops == {"c": StopRequest(time=NOW, until=NOW + 5)}
    assert watch.looked == ["c"]


def test_stop_event_of_an_own_restart_changes_nothing():
    watch = Watch()
    own = watch.registry.stops["c"] = StopRequest(time=NOW - 1, until=NOW + 5, ours=True)
    watch.registry.pending_exits["c"] = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    watch.send("stop")
    assert watch.registry.stops == {"c": own}
    assert list(watch.registry.pending_exits) == ["c"]


def test_stop_event_replaces_a_persons_earlier_request():
    watch = Watch()
    watch.registry.stops["c"] = StopRequest(time=NOW - 99, until=NOW - 90)
    watch.send("stop")
    assert watch.registry.stops["c"].time == NOW


def test_start_ends_all_that_was_awaited():
    watch = Watch()
    override(watch)
    pending = PendingExit(exit_code=1, time=NOW, due=NOW + 1)
    watch.registry.pending_exits["c"] = watch.registry.awaited_restarts["c"] = pending
    watch.deaths._next_looks["c"] = NOW + 10
    assert watch.send("start") == []
    assert watch.looked == ["c"]
    registry, deaths = watch.registry, watch.deaths
    assert (registry.stops, registry.pending_exits, registry.awaited_restarts) == ({}, {}, {})
    assert (deaths._next_looks, deaths._podman._signal_times, deaths._own_signals) == ({}, {}, {})


def test_removed_container_leaves_no_record():
    watch = Watch()
    override(watch)
    watch.send("oom")
    watch.deaths._next_looks["c"] = NOW
    watch.deaths.forget("c")
    deaths = watch.deaths
    assert (deaths._next_looks, deaths._podman._signal_times, deaths._own_signals) == ({}, {}, {})
    assert (deaths._oom_checks, deaths._overridden_stops) == ({}, {})


# --- containers found dead --------------------------------------------------------------------------


def find_dead(watch: Watch, watched_until: float = NOW - 50, **fields) -> list[dict]:
    watch.change(**{"status": "exited", "exit_code": 1, "finished_at": NOW - 1, **fields})
    container = watch.registry.upsert(watch.info, NOW)
    alerts = read(watch.deaths.judge_found_dead(container, watched_until, NOW))
    return [{fact.name: fact.value for fact in alert.evidence} for alert in alerts]


def test_container_found_dead_is_reported():
    assert find_dead(Watch()) == [{"exit_code": 1, "ran": 99.0}]


def test_container_dead_before_the_first_look_says_so():
    assert find_dead(Watch(), watched_until=0.0) == [{"dead_before": True, "exit_code": 1, "ran": 99.0}]


def test_container_that_an_own_restart_took_down_is_awaited():
    watch = Watch()
    watch.restart(time=NOW - 5)
    assert find_dead(watch) == []
    assert watch.registry.stops == {"c": StopRequest(time=NOW - 1, until=NOW - 1, ours=True)}


def test_container_found_running_is_not_taken_down():
    watch = Watch()
    watch.restart(time=NOW - 5)
    find_dead(watch, status="running")
    assert watch.registry.stops == {}


def test_known_stop_of_a_person_is_kept():
    watch = Watch()
    watch.restart(time=NOW - 5)
    stop = watch.registry.stops["c"] = StopRequest(time=NOW - 2, until=NOW + 9)
    find_dead(watch)
    assert watch.registry.stops == {"c": stop}


def test_dead_container_that_is_known_is_no_own_restart():
    watch = Watch()
    assert len(find_dead(watch)) == 1
    watch.restart(time=NOW - 5)
    assert find_dead(watch) == []
    assert watch.registry.stops == {}
