"""The dashboard's lines: exact widths, whatever the names."""

import msgspec
import pytest
from rich.cells import cell_len

from hemostat.core.picture import picture
from hemostat.events import Outcome, Reason
from hemostat.tui import grid, words
from tests.samples import ALL, DIAGNOSIS, NOW, WEB, alert, complete, event, heartbeat, needed, stats

HOSTILE = [
    "\x1b[2J\x1b[31mred",
    "[bold red]x[/]",
    "容器" * 60,
    "n" * 200,
    "two\nlines",
    "\u202eright-to-left",
    "",
]


def shown(*extra, **changes):
    return picture((), [event(stats(**changes))], extra, expected=(), now=NOW + 1)


def container_line(shown, width: int) -> str:
    return grid.container(
        shown.containers[0], words.incidents(shown).get(("h", "web"), ""), width, several=False
    ).plain


@pytest.mark.parametrize("width", [80, 116, 200])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_fits_its_column_and_controls_nothing(name, width):
    container = type(WEB)(id="c1", name=name)
    text = container_line(shown(container=container), width)
    assert cell_len(text.rstrip()) <= width
    assert text.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_one_line_of_the_log(name):
    container = type(WEB)(id="c1", name=name)
    assert words.log_line(event(alert(container=container))).plain.isprintable()


@pytest.mark.parametrize("width", [80, 116, 200])
def test_columns_stand_under_their_headers(width):
    head, text = grid.header(width).plain, container_line(shown(cpu=100.0), width)
    assert text.index("web") == head.index("container")
    assert text.index("█") == head.index("cpu")
    assert cell_len(head) <= width


def test_the_state_is_a_word_beside_its_glyph():
    assert container_line(shown(), 80).startswith("✓ healthy")
    assert container_line(
        shown(state=type(stats().state)(status="exited", health="unhealthy")), 80
    ).startswith("○ exited")


@pytest.mark.parametrize("width", [80, 116])
def test_the_largest_figures_keep_their_units(width):
    text = container_line(shown(cpu=1600.0, memory=1000 << 20, memory_limit=1023 << 20), width)
    assert "1600.0 %" in text
    assert "1000.0 MiB" in text
    assert width == 80 or "/ 1023.0 MiB" in text


def test_the_share_of_the_limit_is_a_bar_on_narrow_screens_too():
    text = container_line(shown(cpu=25.0, cpu_limit=0.5, memory=96 << 20, memory_limit=128 << 20), 80)
    assert "██··" in text
    assert "███·" in text


def test_a_book_of_reasons_is_cut_in_the_log():
    book = msgspec.structs.replace(DIAGNOSIS, reasons=("\x1b[2J" * 50_000,))
    assert len(words.log_line(event(needed(diagnosis=book))).plain) < 10 * words.LONGEST


def test_an_open_incident_is_beside_its_container():
    assert container_line(shown(event(alert())), 80).rstrip().endswith("exited open")


@pytest.mark.parametrize(
    ("changes", "glyph", "said"),
    [
        ({}, "✓", "restart healed in 3.1 s"),
        ({"outcome": Outcome.FAILED, "reason": Reason.NOT_VERIFIED}, "✗", "failed: not_verified"),
        ({"outcome": Outcome.REFUSED, "reason": Reason.BUDGET_SPENT}, "■", "refused: budget_spent"),
    ],
)
def test_the_log_says_the_outcome_in_words(changes, glyph, said):
    text = words.log_line(event(complete(**changes))).plain
    assert glyph in text
    assert said in text


def test_the_status_line_names_missing_stale_and_waiting_roles():
    beats = [
        event(heartbeat("monitor", trouble="no Docker Engine answers"), 10.0),
        event(heartbeat("analyzer"), 0.0),
        event(heartbeat("alert", lag=7), 10.0),
    ]
    roles = ("monitor", "analyzer", "responder", "alert")
    text = words.status(picture(beats, (), (), expected=roles, now=NOW + 10), "").plain
    assert "✗ responder missing" in text
    assert "✗ analyzer STALE 10 s" in text
    assert "! monitor no Docker Engine answers" in text
    assert "✓ alert lag 7" in text


@pytest.mark.parametrize(
    ("wanted", "faults", "found"),
    [
        ("", False, 1),
        ("WEB", False, 1),
        ("healthy", False, 1),
        ("db", False, 0),
        ("!web", False, 0),
        ("", True, 0),
    ],
)
def test_filtering(wanted, faults, found):
    assert len(words.matching(shown().containers, wanted, faults=faults)) == found


def test_every_event_has_its_line():
    assert all(words.log_line(each).plain.strip() for each in ALL)
