"""The dashboard's lines: exact widths, whatever the names."""

import msgspec
import pytest
from rich.cells import cell_len

from hemostat.core.history.status import build_status
from hemostat.core.ledger.controls import Pause
from hemostat.events import Outcome, Reason
from hemostat.tui.data.state import DashboardState, FeedUpdate, apply_update
from hemostat.tui.render import text as words
from hemostat.tui.render.limits import find_own_pause, format_breaker, format_budget
from hemostat.tui.render.roles import draw_role
from hemostat.tui.table import columns
from hemostat.tui.table.rows import RowTable, update_table
from hemostat.tui.table.sorting import ProjectHeading
from tests.support.dashboard import HOSTILE
from tests.support.samples import (
    ALL,
    DIAGNOSIS,
    NOW,
    WEB,
    alert,
    complete,
    decided,
    event,
    heartbeat,
    needed,
    stats,
)
from tests.tui.standing import CLEAR, host, standing


def row(*extra, safety=None, **changes):
    state = apply_update(DashboardState(heard=NOW), FeedUpdate((event(stats(**changes)), *extra)), NOW + 1)
    if safety is not None:
        state = apply_update(state, FeedUpdate(safety={"h": host({"web": safety})}), NOW + 1)
    (made,) = update_table(RowTable(), state).rows.values()
    return made


QUIET = frozenset({"incident"})
"""No container has an incident."""


def container_line(each, width: int) -> str:
    return columns.draw_line(each, columns.lay_out(width, (), {"host"}, QUIET), NOW, marked=False).plain


def header(width: int) -> str:
    return columns.draw_header(
        columns.lay_out(width, (), {"host"}, QUIET), width, "name", reverse=False
    ).plain


@pytest.mark.parametrize("width", [20, 40, 80, 116, 200])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_fits_its_column_and_is_escaped(name, width):
    container = type(WEB)(id="c1", name=name)
    text = container_line(row(container=container), width)
    assert cell_len(text) <= width
    assert text.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_stays_on_one_log_line(name):
    container = type(WEB)(id="c1", name=name)
    assert words.draw_log_line(event(alert(container=container))).plain.isprintable()


@pytest.mark.parametrize("width", [80, 116, 200])
def test_columns_are_aligned_with_their_headers(width):
    head, text = header(width), container_line(row(cpu=100.0), width)
    assert text.index("web") == head.index("container")
    assert text.index("100.0 %") - head.index("cpu") == dict(columns.lay_out(width, (), {"host"}, QUIET))[
        "cpu"
    ] - len("100.0 %")
    assert cell_len(head) <= width


def test_state_has_a_word_beside_its_symbol():
    assert container_line(row(), 80).strip().startswith("✓ healthy")
    assert (
        container_line(row(state=type(stats().state)(status="exited", health="unhealthy")), 80)
        .strip()
        .startswith("○ exited")
    )


@pytest.mark.parametrize("width", [60, 80, 116, 200])
def test_largest_values_keep_their_units(width):
    text = container_line(row(cpu=1600.0, memory=1000 << 20, memory_limit=1023 << 20), width)
    assert "1600.0 %" in text
    assert "1000.0 MiB" in text


def test_the_share_of_the_limit_is_a_bar_on_narrow_screens_too():
    text = container_line(row(cpu=25.0, cpu_limit=0.5, memory=96 << 20, memory_limit=128 << 20), 80)
    assert "██··" in text
    assert "███·" in text


@pytest.mark.parametrize("width", range(1, 260))
def test_columns_fit_the_width(width):
    placed = columns.lay_out(width)
    assert placed
    needed = columns.MARK_WIDTH + sum(each.width for each in placed) + len(placed) - 1
    assert needed <= max(width, columns.MARK_WIDTH + 11)


def test_fault_column_is_dropped_last():
    assert [each.name for each in columns.lay_out(40)] == ["state", "container", "incident"]
    assert {each.name for each in columns.lay_out(260, idle=QUIET)} == set(columns.COLUMNS)


def test_uninformative_columns_are_hidden_unless_selected():
    assert "host" not in dict(columns.lay_out(230, (), {"host"}))
    assert "host" in dict(columns.lay_out(230, ("host",), {"host"}))


@pytest.mark.parametrize(
    ("received", "sent", "said"),
    [
        (None, None, "-"),
        (0, 0, "↓   0B ↑   0B"),
        (1536, 999, "↓ 1.5K ↑ 999B"),
        (65_000_000, 1_048_000, "↓62.0M ↑1023K"),
        (3 << 40, 1023 * 1024 * 1024, "↓ 3.0T ↑1023M"),
    ],
)
def test_network_column_can_be_selected(received, sent, said):
    each = row(received=received, sent=sent)
    assert (
        columns.draw_line(each, columns.lay_out(40, ("net", "container")), NOW, marked=False)
        .plain[2:]
        .startswith(said)
    )


def test_network_column_yields_to_sparklines():
    assert "net" not in dict(columns.lay_out(160))
    wide = dict(columns.lay_out(210, idle=QUIET))
    assert wide["net"] == columns.NET_WIDTH
    assert wide["cpu"] > columns.COLUMNS["cpu"].good


def test_columns_can_be_chosen():
    assert [each.name for each in columns.lay_out(120, ("container", "memory", "nonsense"))] == [
        "container",
        "memory",
    ]


def test_sparkline_ends_at_the_present_with_gaps():
    assert columns.draw_sparkline((0.0, 50.0, None, 100.0), 100.0, 6) == "  ▁▅ █"
    assert columns.draw_sparkline((10.0,) * 50, 100.0, 3) == "▁▁▁"


OPEN = standing(open_until=NOW + 252, used=2)
HALF = standing(half_open=True, used=1)
SPENT = standing(used=3, until=NOW + 3670)


@pytest.mark.parametrize(
    ("safety", "said"),
    [
        (None, ("-", "-")),
        (CLEAR, ("closed", "0/3")),
        (OPEN, ("OPEN 04:12", "2/3")),
        (HALF, ("half-open", "1/3")),
        (SPENT, ("closed", "3/3 1:01:10")),
    ],
)
def test_limit_status_is_described_in_words(safety, said):
    assert (format_breaker(safety, NOW)[0], format_budget(safety, NOW)[0]) == said


def test_blocking_limit_is_beside_the_incident():
    assert (
        "breaker 04:12"
        in columns.draw_line(
            row(safety=OPEN), columns.lay_out(80, ("container", "incident")), NOW, marked=False
        ).plain
    )
    assert (
        "cooldown 1:01:10"
        in columns.draw_line(
            row(safety=SPENT), columns.lay_out(80, ("container", "incident")), NOW, marked=False
        ).plain
    )


def test_pause_of_a_container_is_beside_it():
    mine = Pause(by="ann", at=NOW, until=NOW + 252)
    held = msgspec.structs.replace(CLEAR, pause=mine)
    shown = columns.draw_line(row(safety=held), columns.lay_out(120), NOW, marked=False).plain
    assert "paused 04:12" in shown
    assert find_own_pause(held, msgspec.structs.replace(host({}), pause=mine)) is None


def test_value_with_a_column_is_not_repeated():
    text = columns.draw_line(row(safety=OPEN), columns.lay_out(120), NOW, marked=False).plain
    assert text.count("04:12") == 1


def test_mark_has_a_symbol_and_group_a_count_of_faults():
    assert columns.draw_line(row(), columns.lay_out(80), NOW, marked=True).plain.startswith("◆")
    text = columns.draw_heading(ProjectHeading("shop", 9, 2), 60).plain
    assert text.startswith("─ shop (9, 2 with a fault) ─")
    assert cell_len(text) == 60


def test_long_reasons_are_cut_in_the_log():
    book = msgspec.structs.replace(DIAGNOSIS, reasons=("\x1b[2J" * 50_000,))
    assert len(words.draw_log_line(event(needed(diagnosis=book))).plain) < 10 * words.MAX_LINE_CHARACTERS


def test_open_incident_is_beside_its_container():
    assert container_line(row(event(alert())), 80).rstrip().endswith("exited")


@pytest.mark.parametrize(
    ("changes", "glyph", "said"),
    [
        ({}, "✓", "restarted, healed in 3.1 s"),
        (
            {"outcome": Outcome.FAILED, "reason": Reason.NOT_VERIFIED},
            "✗",
            "did not help: the failure is still there",
        ),
        (
            {"outcome": Outcome.REFUSED, "reason": Reason.BUDGET_SPENT},
            "■",
            "not restarted: its budget is spent",
        ),
    ],
)
def test_log_describes_the_outcome_in_words(changes, glyph, said):
    text = words.draw_log_line(event(complete(**changes))).plain
    assert glyph in text
    assert said in text


def test_the_status_line_names_missing_stale_and_waiting_roles():
    beats = [
        event(heartbeat("monitor", trouble="no Docker Engine answers"), 10.0),
        event(heartbeat("analyzer"), 0.0),
        event(heartbeat("alert", lag=7), 10.0),
    ]
    roles = ("monitor", "analyzer", "responder", "alert")
    shown = build_status(beats, (), (), expected=roles, now=NOW + 10)
    text = words.draw_status(shown, "dry-run", is_lost=False).plain
    assert "✗ responder missing" in text
    assert "✗ analyzer silent 10 s" in text
    assert "! monitor" in text
    assert "✓ alert lag 7" in text
    assert "✓ bus" in text
    assert "✗ engine" in text
    assert "mode dry-run" in text
    assert words.draw_notice(shown, "").plain == "! monitor: no Docker Engine answers"


def test_engine_state_is_unknown_without_a_monitor():
    assert (
        "? engine"
        in words.draw_status(build_status((), (), (), expected=(), now=NOW), "", is_lost=True).plain
    )


def test_every_role_is_described_in_full():
    (role,) = build_status([event(heartbeat(lag=3, trouble="waits"))], (), (), expected=(), now=NOW + 1).roles
    text = "\n".join(each.plain for each in draw_role(role, 80))
    assert all(each in text for each in ("monitor", "h-1", "1 s ago", "lag 3", "waits"))


def test_decision_names_its_subject():
    assert " everything " in words.draw_log_line(event(decided(), incident=None)).plain
    assert " web " in words.draw_log_line(event(decided(container="web"), incident=None)).plain


def test_every_event_has_a_log_line():
    assert all(words.draw_log_line(each).plain.strip() for each in ALL)


def test_log_line_of_several_hosts_names_the_host():
    def draw(data) -> str:
        return words.draw_log_line(event(data, host="web1"), has_several_hosts=True).plain

    assert " web1/web " in draw(alert())
    assert " everything " in draw(decided())


def test_trouble_of_several_hosts_names_the_host():
    beats = [event(heartbeat(trouble="it is away"), host="web1"), event(heartbeat(), host="web2")]
    shown = build_status(beats, [], [], expected=[], now=NOW)
    assert words.draw_notice(shown, "").plain == "! monitor@web1: it is away"
