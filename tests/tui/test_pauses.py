"""The pauses in the room that there is."""

import pytest
from rich.cells import cell_len

from hemostat.core.ledger.controls import ALL_CONTAINERS, Pause
from hemostat.core.remediation.limit_status import describe_paused, list_pauses
from hemostat.tui.render.limits import describe_all_pauses, summarize_pauses
from tests.support.samples import NOW
from tests.tui.snapshots import utc
from tests.tui.standing import CLEAR, host

__all__ = ["utc"]

DB = ("db", Pause(by="ann@h", at=NOW, until=NOW + 600, reason="migration"))
WEB = ("web", Pause(by="bob@h", at=NOW, reason="release"))
API = ("api", Pause(by="bob@h", at=NOW, until=NOW + 3 * 86400))
ALL = (ALL_CONTAINERS, Pause(by="bob@h", at=NOW))


@pytest.mark.parametrize(
    ("pauses", "room", "text"),
    [
        ([], 80, ""),
        ([DB], 80, "db paused until 00:36 by ann@h (migration)"),
        ([DB], 41, "db paused until 00:36 by ann@h: r"),
        ([DB], 30, "db paused until 00:36: r"),
        ([DB], 10, "1 pause: r"),
        ([ALL], 80, "everything paused by bob@h"),
        ([DB, WEB], 80, "2 pauses: db until 00:36, web"),
        ([DB, WEB, API], 50, "3 pauses: db until 00:36, web, +1 more: r"),
        ([DB, WEB, API], 39, "3 pauses: db until 00:36, +2 more: r"),
        ([DB, WEB, API], 0, "3 pauses: r"),
    ],
)
def test_pauses_are_summarized_without_a_cut_word(pauses, room, text, utc):
    assert summarize_pauses(pauses, NOW, "r", room) == text


def test_summary_fits_wherever_the_number_of_pauses_fits(utc):
    assert all(cell_len(summarize_pauses([DB, WEB, API], NOW, "r", room)) <= room for room in range(11, 120))


def test_every_pause_of_the_hosts_is_listed_once():
    from msgspec.structs import replace

    own = {name: replace(CLEAR, pause=pause) for name, pause in (WEB, DB)}
    overviews = {"a": host(own), "b": replace(host(own), pause=ALL[1])}
    pauses = list_pauses(overviews)
    assert pauses == [ALL, DB, WEB]
    assert describe_all_pauses(pauses, NOW) == [
        "everything paused by bob@h",
        "db paused by ann@h for another 10 min (migration)",
        "web paused by bob@h (release)",
    ]
    assert [describe_paused(each) for each in (pauses, pauses[1:], pauses[2:], [])] == [
        "everything paused",
        "2 containers paused",
        "1 container paused",
        "",
    ]
