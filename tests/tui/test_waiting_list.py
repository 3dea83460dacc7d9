"""The list of what waits for a person, as styled text."""

from hemostat.core.history.waiting_list import WaitingItem, WaitingKind
from hemostat.tui.render.waiting_list import draw_item, draw_plan, measure_subjects
from tests.support.samples import NOW


def test_answer_to_an_approval_is_shown_in_full():
    item = WaitingItem(
        kind=WaitingKind.APPROVAL,
        host="h",
        subject="web",
        since=None,
        why="crash",
        command="hemostat approve a1b2c3",
        until=NOW + 90,
    )
    assert draw_item(item, "", NOW).plain.split() == ["approval", "01:30", "left", "web", "crash"]
    line = draw_item(item, "approved by root@a-long-host-name", NOW).plain
    assert line.split() == ["approval", "web", "approved", "by", "root@a-long-host-name"]


def test_selected_item_is_described_in_full_with_its_age():
    item = WaitingItem(
        kind=WaitingKind.ESCALATED,
        host="h",
        subject="web",
        since=NOW - 125,
        why="exited; " + "a long reason " * 9,
        command="hemostat close i1",
        id="i1",
    )
    text = draw_plan(item, None, None, NOW).plain
    assert item.why in text
    assert ", 2 min 5 s ago" in text


def test_settled_item_shows_its_end_without_time_and_command():
    item = WaitingItem(
        kind=WaitingKind.APPROVAL,
        host="h",
        subject="web",
        since=NOW - 5,
        why="crash",
        command="hemostat approve a1b2c3",
        id="i1",
        until=NOW + 90,
    )
    text = draw_plan(item, None, None, NOW, "approved by ann@h, running").plain
    assert "approved by ann@h, running" in text
    assert "left" not in text
    assert "hemostat approve" not in text


def test_reasons_get_the_room_that_short_names_leave():
    item = WaitingItem(kind=WaitingKind.FAILED, host="h", subject="web", since=NOW, why="crash", command="c")
    assert measure_subjects([item]) == 3
    assert "web crash" in draw_item(item, "", NOW, measure_subjects([item])).plain
