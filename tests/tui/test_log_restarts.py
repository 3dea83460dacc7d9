"""The marks of restarts in a log."""

from hemostat.events import Evidence, Kind, State
from hemostat.tui.data.log_lines import LogLine
from hemostat.tui.data.log_restarts import Restart, find_restarts, insert_marks, is_mark
from tests.support.samples import NOW, alert, complete, event


def died(at: float, code: int | None = 1, **changes):
    evidence = () if code is None else (Evidence("exit_code", code),)
    return event(alert(since=NOW + at, evidence=evidence, **changes), at)


def healed(at: float):
    return event(complete(after=State(status="running", started_at=NOW + at)), at + 2)


def running(at: float) -> State:
    return State(status="running", started_at=NOW + at)


def test_death_and_start_are_one_restart_with_the_exit_code():
    events = [died(10, 3), healed(12), died(20, 4), healed(22)]
    expected = [Restart(NOW + 12, 3, NOW + 10), Restart(NOW + 22, 4, NOW + 20)]
    assert find_restarts(events, running(22)) == expected


def test_start_without_a_known_death_has_no_exit_code():
    assert find_restarts([], running(5)) == [Restart(NOW + 5)]


def test_death_without_a_start_is_an_end():
    found = find_restarts([died(10, 3)], State(status="exited", started_at=NOW))
    assert found[-1] == Restart(NOW + 10, 3, NOW + 10, is_started=False)


def test_alert_of_a_running_container_is_not_a_restart():
    assert find_restarts([died(10, None, kind=Kind.UNHEALTHY)], None) == []


def line(at: float, source: int = 0) -> LogLine:
    return LogLine(f"2026-11-24T00:26:{at:012.9f}Z", "text", "", source)


def place(lines: list[LogLine], *restarts: Restart, at_end: bool = True) -> list[str]:
    """The second of each line, and the mark's text."""
    marked = insert_marks(lines, [(0, each) for each in restarts], at_end=at_end)
    return [each.text if is_mark(each) else each.stamp[17:21] for each in marked]


def at(second: float, code: int | None = None, ended: float | None = None, **changes) -> Restart:
    base = line(0).time
    return Restart(base + second, code, None if ended is None else base + ended, **changes)


def test_mark_is_inserted_only_after_a_line_of_its_container():
    lines = [line(10), line(20, 1), line(30)]
    assert len(insert_marks(lines, [(0, at(5)), (1, at(15)), (2, at(25))], at_end=True)) == 3
    assert [mark[:12] for mark in place(lines, at(25)) if "──" in mark] == ["── restarted"]


def test_mark_after_the_last_line_needs_the_end_of_the_log():
    assert len(place([line(10)], at(40))) == 2
    assert place([line(10)], at(40), at_end=False) == ["10.0"]


def test_mark_comes_before_lines_written_before_the_start_was_noted():
    lines = [line(6), line(10), line(10.5), line(12.4), line(12.5), line(15)]
    times = [each for each in place(lines, at(12.6, 137, ended=10.2)) if "exit code 137" not in each]
    assert "exit code 137" in place(lines, at(12.6, 137, ended=10.2))[3]
    assert times == ["06.0", "10.0", "10.5", "12.4", "12.5", "15.0"]


def test_mark_of_a_stop_without_a_death_uses_the_gap_before_the_start():
    found = place([line(10), line(10.9), line(12.4), line(12.5), line(15)], at(12.6))
    assert ["──" in each for each in found] == [False, False, True, False, False, False]


def test_mark_of_a_silent_start_comes_after_the_lines_of_the_crash():
    found = place([line(10), line(10.01), line(14)], at(12, 3, ended=10.005))
    assert ["──" in each for each in found] == [False, False, True, False]


def test_mark_of_an_end_comes_after_the_last_lines():
    found = place([line(10), line(10.01)], at(10.02, 3, ended=10.02, is_started=False))
    assert found[-1].startswith("── exited ")
    assert found[-1].endswith(", exit code 3 ──")
