"""Which containers are shown, and in which order."""

import msgspec
import pytest

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.events import Container, Outcome, Phase, Reason, Word
from hemostat.events import State as Condition
from hemostat.tui.data.state import TRAIL_SECONDS, DashboardState, FeedUpdate, apply_update
from hemostat.tui.render.text import BAD, BUSY, FAINT
from hemostat.tui.table import sorting
from hemostat.tui.table.columns import COLUMNS, draw_line, find_idle, find_pointless, format_uptime, lay_out
from hemostat.tui.table.rows import CALM, FAULTY, ILL, RowTable, filter_rows, find_unrecalled, update_table
from tests.support.samples import NOW, alert, complete, decided, event, order, stats
from tests.tui.standing import CLEAR, host, standing

SICK = Condition(status="running", health="unhealthy")


def box(name: str, project: str = "") -> Container:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": name} if project else {}
    return Container(id=name, name=name, labels=labels)


CROWD = (
    event(stats(container=box("web", "shop"), cpu=50.0, memory=1)),
    event(stats(container=box("api", "shop"), cpu=10.0, memory=3, state=SICK)),
    event(stats(container=box("db"), cpu=90.0, memory=2), host="other"),
)


def shown(*events, before=None):
    return apply_update(before or DashboardState(heard=NOW), FeedUpdate(events), NOW + 1)


def rows(state):
    return list(update_table(RowTable(), state).rows.values())


def names(found):
    return [each.name for each in found]


@pytest.mark.parametrize(
    ("wanted", "faults", "found"),
    [
        ("", False, ["web", "api", "db"]),
        ("WEB", False, ["web"]),
        ("shop", False, ["web", "api"]),
        ("!shop", False, ["db"]),
        ("shop !web", False, ["api"]),
        ("state:unhealthy", False, ["api"]),
        ("state:healthy", False, ["web", "db"]),
        ("host:other", False, ["db"]),
        ("project:shop", False, ["web", "api"]),
        ("!project:shop", False, ["db"]),
        ("name:b", False, ["web", "db"]),
        ("!", False, ["web", "api", "db"]),
        ("!host:", False, ["web", "api", "db"]),
        ("nonsense:x", False, []),
        ("", True, ["api"]),
    ],
)
def test_filter_selects_matching_rows(wanted, faults, found):
    assert names(filter_rows(rows(shown(*CROWD)), wanted, faults=faults)) == found


def test_open_incident_marks_the_row_as_failing():
    state = shown(*CROWD, event(alert(container=box("web", "shop"))))
    assert names(filter_rows(rows(state), "incident:exited", faults=True)) == ["web"]


def test_only_changed_rows_are_rebuilt():
    state = shown(*CROWD)
    table = update_table(RowTable(), state)
    news = event(stats(container=box("web", "shop"), cpu=51.0), 1.0)
    again = update_table(table, shown(news, before=state))
    assert [row.name for key, row in again.rows.items() if row is not table.rows[key]] == ["web"]


def test_new_incident_rebuilds_the_row_of_its_container_alone():
    state = shown(*CROWD)
    table = update_table(RowTable(), state)
    again = update_table(table, shown(event(alert(container=box("db")), 1.0, host="other"), before=state))
    assert [row.name for key, row in again.rows.items() if row is not table.rows[key]] == ["db"]
    assert again.rows["other/db"].fault


def test_changed_limits_rebuild_the_rows_that_show_them():
    state = apply_update(shown(*CROWD), FeedUpdate(safety={"h": host({"web": CLEAR})}), NOW + 1)
    table = update_table(RowTable(), state)
    spent = standing(used=3)
    later = apply_update(state, FeedUpdate(safety={"h": host({"web": spent})}), NOW + 2)
    again = update_table(table, later)
    assert [row.name for key, row in again.rows.items() if row is not table.rows[key]] == ["web"]
    assert again.rows["h/web"].safety == spent


@pytest.mark.parametrize(
    ("sort", "reverse", "found"),
    [
        ("name", False, ["api", "db", "web"]),
        ("name", True, ["api", "web", "db"]),
        ("cpu", False, ["api", "db", "web"]),
        ("cpu", True, ["api", "web", "db"]),
        ("memory", False, ["api", "db", "web"]),
    ],
)
def test_failing_rows_come_first_in_any_sort_order(sort, reverse, found):
    assert names(sorting.sort_rows(rows(shown(*CROWD)), sort, reverse=reverse)) == found


def test_rows_keep_their_place_between_sorts():
    state = shown(*CROWD)
    table = update_table(RowTable(), state)
    ordered = RowTable(state, {row.key: row for row in reversed(table.rows.values())})
    gone = event(stats(container=box("api", "shop"), state=Condition(status="removed")), 1.0)
    more = event(stats(container=box("web", "shop"), cpu=1.0), 1.0)
    later = shown(event(stats(container=box("new"))), gone, more, before=state)
    assert names(update_table(ordered, later).rows.values()) == ["db", "web", "new"]


@pytest.mark.parametrize(
    ("sorted_at", "touched_at", "due"),
    [(0.0, 0.0, True), (8.0, 0.0, False), (0.0, 9.0, False), (99.0, 99.0, True)],
)
def test_rows_do_not_move_after_a_sort_or_under_the_cursor(sorted_at, touched_at, due):
    assert sorting.may_resort(10.0, sorted_at, touched_at) is due


def test_groups_are_ordered_by_their_first_row():
    found = sorting.group_rows(sorting.sort_rows(rows(shown(*CROWD)), "cpu"))
    assert [each.project if isinstance(each, sorting.ProjectHeading) else each.name for each in found] == [
        "shop",
        "api",
        "web",
        "",
        "db",
    ]
    assert found[0] == sorting.ProjectHeading("shop", 2, 1)


def test_sparkline_has_a_value_for_each_second():
    state = shown(event(stats(cpu=1.0)))
    state = shown(event(stats(cpu=2.0), 3.0), before=state)
    (trail,) = state.trails.values()
    assert trail.cpu == (1.0, 1.0, 1.0, 2.0)


def recalled(state, *points):
    (key,) = state.trails
    after = apply_update(state, FeedUpdate(past={key: points}), NOW + 10)
    return after.trails[key]


def test_sparkline_starts_with_stored_history():
    state = shown(event(stats(cpu=5.0), 8.0))
    state = shown(event(stats(cpu=6.0), 9.0), before=state)
    kept = [MetricPoint(NOW + second, float(second), 1) for second in (0, 2, 3, 8, 9)]
    trail = recalled(state, *kept)
    assert trail.cpu == (0.0, 0.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 5.0, 6.0)
    assert len(trail.memory) == len(trail.cpu)
    assert trail.recalled
    assert apply_update(state, FeedUpdate(past={"gone": ()}), NOW + 10).trails == state.trails


def test_sparkline_has_gaps_without_data():
    state = shown(event(stats(cpu=5.0), 8.0))
    assert recalled(state) == msgspec.structs.replace(*state.trails.values(), recalled=True)
    trail = recalled(state, MetricPoint(NOW - 5, 1.0, 1))
    assert trail.cpu == (1.0, *[None] * 12, 5.0)
    assert (
        len(recalled(state, *(MetricPoint(NOW - n, 1.0, 1) for n in range(90, -8, -1))).cpu) == TRAIL_SECONDS
    )


def test_row_is_rebuilt_when_its_history_arrives():
    state = shown(event(stats(), 8.0))
    before = update_table(RowTable(), state)
    (key,) = before.rows
    after = update_table(
        before, apply_update(state, FeedUpdate(past={key: (MetricPoint(NOW + 7, 1.0, 1),)}), NOW + 10)
    )
    assert find_unrecalled(before.rows.values()) == {key: ("h", "web")}
    assert find_unrecalled(after.rows.values()) == {}


def test_sparkline_is_bounded_and_removed_with_its_row():
    state = DashboardState(heard=NOW)
    for second in range(3 * TRAIL_SECONDS):
        state = apply_update(state, FeedUpdate((event(stats(cpu=float(second)), second),)), NOW + second)
    (trail,) = state.trails.values()
    assert len(trail.cpu) == len(trail.memory) == TRAIL_SECONDS
    assert apply_update(state, FeedUpdate(), NOW + 1000).trails == {}


def dead(name: str, exit_code: int):
    return event(stats(container=box(name), state=Condition(status="exited", exit_code=exit_code)))


def test_most_urgent_rows_come_first():
    """What is left to people, another open incident, a fault without one; then what ended badly is marked."""
    left = event(complete(container=box("left"), outcome=Outcome.ESCALATED), incident="i9")
    seen = shown(
        event(stats(container=box("calm"))),
        event(stats(container=box("api"), state=SICK)),
        dead("open", 1),
        event(alert(container=box("open")), incident="i8"),
        event(alert(container=box("left")), incident="i9"),
        left,
        dead("left", 3),
        dead("ended", 4),
        dead("done", 0),
    )
    found = sorting.sort_rows(rows(seen), "name")
    assert names(found) == ["left", "open", "api", "calm", "done", "ended"]
    assert [each.word for each in found] == [
        "exited 3", "exited 1", "unhealthy", "healthy", "exited 0", "exited 4",
    ]  # fmt: skip
    assert [each.ended_badly for each in found] == [True, True, False, False, False, True]


@pytest.mark.parametrize(
    ("name", "cell"),
    [("left", ("✗ exited 3", BAD)), ("ended", ("○ exited 4", BUSY)), ("done", ("○ exited 0", FAINT))],
)
def test_state_column_shows_incident_and_outcome(name, cell):
    seen = shown(
        dead("left", 3),
        event(alert(container=box("left")), incident="i9"),
        dead("ended", 4),
        dead("done", 0),
    )
    row = next(each for each in rows(seen) if each.name == name)
    assert COLUMNS["state"].cell(row, 12, NOW) == cell


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "< 1 min"),
        (59, "< 1 min"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86399, "23 h"),
        (86400, "1 d"),
    ],
)
def test_uptime_is_shown_in_its_largest_unit(seconds, text):
    state = Condition(status="running", started_at=NOW - seconds)
    (row,) = rows(shown(event(stats(state=state))))
    assert format_uptime(row, NOW) == text


def test_container_that_does_not_run_has_no_uptime():
    state = Condition(status="exited", started_at=NOW - 60)
    (row,) = rows(shown(event(stats(state=state))))
    assert format_uptime(row, NOW) == "-"


def test_image_and_ports_are_shown_only_with_room_to_spare():
    container = Container(id="w", name="web", image="localhost:5000/team/web:1.2")
    (row,) = rows(shown(event(stats(container=container, ports=(80, 443)))))
    pointless = find_pointless([row], safety=False, grouped=False)
    idle = find_idle([row])
    narrow, wide = ([name for name, _ in lay_out(width, (), pointless, idle)] for width in (80, 190))
    assert not {"image", "ports"} & set(narrow)
    assert {"image", "ports", "up"} <= set(wide)
    line = draw_line(row, lay_out(190, (), pointless, idle), NOW, marked=False).plain
    assert " web:1.2 " in line
    assert " 80,443 " in line
    assert "ports" in find_pointless(rows(shown(event(stats()))), safety=False, grouped=False)


def test_acknowledged_incident_is_dimmed_and_comes_after_others():
    failed = complete(outcome=Outcome.ESCALATED)
    taken = decided(what=Word.ACKNOWLEDGED, by="ann")
    (row,) = rows(shown(event(stats()), event(alert()), event(failed, 0.5)))
    (later,) = rows(shown(event(stats()), event(alert()), event(failed, 0.5), event(taken, 0.7)))
    assert (row.acknowledged, later.acknowledged) == (False, True)
    assert row.rank < later.rank
    assert "acknowledged by ann" in later.incident


REFUSED = (
    dead("console-kept", 3),
    event(alert(container=box("console-kept")), incident="i8"),
    event(
        complete(container=box("console-kept"), outcome=Outcome.REFUSED, reason=Reason.PROTECTED),
        0.5,
        incident="i8",
    ),
)


def place(width: int, *events, **changes) -> dict[str, int]:
    """The columns of these containers, with their limits known, and their widths."""
    seen = [
        msgspec.structs.replace(row, safety=standing(**changes)) for row in rows(shown(*CROWD[:1], *events))
    ]
    pointless = find_pointless(seen, safety=True, grouped=False)
    return dict(lay_out(width, (), pointless, find_idle(seen)))


@pytest.mark.parametrize(
    ("width", "least", "absent"),
    [
        (80, 25, {"up", "breaker", "budget", "restarts"}),
        (100, 34, {"up", "breaker", "budget", "restarts"}),
        (120, 43, {"breaker", "budget", "restarts"}),
        (160, 57, set()),
    ],
)
def test_incident_gets_the_room_of_columns_without_news(width, least, absent):
    placed = place(width, *REFUSED)
    assert placed["incident"] >= least
    assert not absent & placed.keys()
    assert {"state", "container", "cpu", "memory"} <= placed.keys()
    assert sum(placed.values()) + len(placed) - 1 <= width - 2


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_columns_fit_and_stay_without_an_incident(width):
    placed = place(width)
    assert placed["incident"] < place(width, *REFUSED)["incident"]
    assert sum(placed.values()) + len(placed) - 1 <= width - 2


def test_open_breaker_keeps_its_column_before_idle_ones():
    assert "breaker" in place(140, *REFUSED, open_until=NOW + 60)
    assert "breaker" not in place(120, *REFUSED)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200])
def test_line_fills_its_width_with_any_columns(width):
    seen = rows(shown(*CROWD, *REFUSED))
    for chosen in ((), tuple(COLUMNS), ("incident", "cpu", "image", "up")):
        placed = lay_out(width, chosen, frozenset(), find_idle(seen))
        assert sum(size for _, size in placed) + len(placed) - 1 <= width - 2


@pytest.mark.parametrize(
    ("sort", "reverse", "order"),
    [
        ("name", False, "urgent first, by name▲"),
        ("name", True, "urgent first, by name▼"),
        ("cpu", False, "urgent first, by cpu▼"),
        ("restarts", True, "urgent first, by restarts▲"),
    ],
)
def test_order_of_the_rows_is_named(sort, reverse, order):
    assert sorting.describe_order(sort, reverse=reverse) == order


def test_closed_incident_of_a_failing_container_says_who_closed_it():
    closing = event(decided(what=Word.CLOSED, by="ann@h"), 1.0, incident="i8")
    row = next(each for each in rows(shown(*REFUSED, closing)) if each.name == "console-kept")
    assert row.incident == "closed by ann@h: exited"
    assert COLUMNS["state"].cell(row, 12, NOW) == ("✗ exited 3", BAD)
    assert (row.fault, row.rank) == (True, FAULTY)
    again = event(alert(container=box("console-kept"), occurrence=2), 2.0, incident="i8")
    (row,) = rows(apply_update(shown(*REFUSED, closing), FeedUpdate((again,)), NOW + 3))
    assert (row.incident, row.rank) == ("exited", ILL)


def test_closed_incident_is_not_named_after_its_failure_has_ended():
    closing = event(decided(what=Word.CLOSED, by="ann@h"), 1.0, incident="i8")
    over = event(alert(container=box("console-kept"), phase=Phase.CLEARED), 2.0, incident="i8")
    (row,) = rows(shown(*REFUSED, closing, over))
    assert (row.incident, row.is_closed) == ("", False)


def test_memory_without_limits_leaves_the_room_of_its_bar_to_the_incident():
    assert place(100, *REFUSED)["memory"] < place(100, *REFUSED, event(stats(memory_limit=1 << 30)))["memory"]


def test_order_that_is_under_way_is_no_failure():
    (row,) = rows(shown(event(stats(), 0.0), event(order(), 1.0)))
    assert not row.fault
    assert row.rank == CALM
    assert row.incident
