"""The list of what waits for a person, as styled text."""

from hemostat.core.history.waiting_list import WaitingItem, WaitingKind
from hemostat.tui.render.waiting_list import draw_item
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
