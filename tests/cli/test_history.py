"""What was stored can be asked for: as lines, as it travelled, as a table, step by step, in figures."""

import csv
import io
import json
import os
import time
import xml.etree.ElementTree as ET

import msgspec
import pytest
import sqlalchemy as sql

from hemostat.adapters.redis import RedisAuditAnchor, connect
from hemostat.adapters.redis.embedded import EmbeddedRedis
from hemostat.adapters.sql_store import SqlStore
from hemostat.core.history.audit_chain import ChainPosition
from hemostat.events import Investigation, Outcome, decode, encode
from tests.support.samples import (
    ALL,
    CLEARED,
    DIAGNOSIS,
    NOW,
    WEB,
    FalseAlarm,
    alert,
    complete,
    event,
    needed,
)

DB = msgspec.structs.replace(WEB, id="c2", name="=db", labels={"com.docker.compose.project": "shop"})
TOLD = msgspec.structs.replace(DIAGNOSIS, investigation=Investigation(model="m", tokens=1000, cost=0.25))
HEALED = (
    event(alert(), 0.5),
    event(needed(diagnosis=TOLD), 1),
    event(needed(diagnosis=TOLD), 1.5),
    event(complete(diagnosis=TOLD), 4),
)
FALSE = (
    event(alert(container=DB), 60, incident="i2"),
    event(FalseAlarm(alert=alert(container=DB), diagnosis=DIAGNOSIS), 61, incident="i2"),
)
REFUSED = (
    event(alert(), 600, incident="j3"),
    event(complete(outcome=Outcome.REFUSED), 601, incident="j3"),
)
SINCE = "2026-11-22"


@pytest.fixture
def store(environ, tmp_path):
    environ.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    opened = SqlStore(f"sqlite:///{tmp_path / 'state' / 'history.db'}", lambda: NOW)
    yield opened
    opened.close()
    environ.undo()
    time.tzset()


@pytest.fixture
def filled(store):
    store.append([*HEALED, *FALSE, *REFUSED])
    return store


def test_empty_store_is_reported(hemostat):
    result = hemostat("history")
    assert result.code == 1
    assert "nothing is stored yet" in result.err
    assert "hemostat all" in result.err


def test_history_is_printed_in_the_local_time_zone(hemostat, filled):
    assert NOW == 1_795_480_000
    first, *_ = hemostat("history").out.splitlines()
    assert first == "2026-11-24 09:26:40  web               alert        exited with code 1"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-n", "2"], REFUSED),
        (["--project", "shop"], FALSE),
        (["--container", "=db", "--type", "false_alarm"], FALSE[1:]),
        (["--outcome", "healed"], HEALED[3:]),
        (["--kind", "oom"], ()),
        (["--host", "other"], ()),
        (["--since", "2026-11-24T09:30:00"], REFUSED),
        (["--until", "2026-11-24T09:27:00"], HEALED),
    ],
)
def test_history_is_filtered_and_printed_as_json(hemostat, filled, arguments, expected):
    lines = hemostat("history", "--json", *arguments).out.encode().splitlines()
    assert [decode(each) for each in lines] == list(expected)


def test_history_keeps_fields_that_this_version_does_not_know(hemostat, filled):
    change_body(filled, {**json.loads(encode(REFUSED[1])), "later": {"a": [1]}})
    assert hemostat("history", "--json", "-n", "1").json["later"] == {"a": [1]}


@pytest.mark.parametrize("body", [{"id": "x", "version": 9}, "no object", None])
def test_unreadable_event_is_printed_as_json_with_the_error(hemostat, filled, body):
    change_body(filled, body)
    told = hemostat("history", "--json", "-n", "1").json
    assert (told["id"], told["time_iso"]) == (REFUSED[1].id, "2026-11-24T00:36:41.000Z")
    assert told["error"].startswith("not an event")
    assert told["body"] == json.dumps(body)


def change_body(store, body):
    """Replace the last row's event."""
    with store._engine.begin() as connection:
        values = {"body": json.dumps(body)}
        connection.execute(sql.text("UPDATE hemostat_events SET body = :body WHERE number = 8"), values)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "; =", "x;@"])
def test_csv_cell_starts_no_formula_whatever_the_separator(hemostat, filled, start):
    hostile = msgspec.structs.replace(DB, name=f"{start}1+1")
    filled.append([event(alert(container=hostile), 800, incident="k9")])
    name = list(csv.DictReader(io.StringIO(hemostat("history", "--csv").out)))[-1]["container"]
    for cell in name.split(";"):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}"))


def test_csv_history_contains_no_formulas(hemostat, filled):
    rows = list(csv.DictReader(io.StringIO(hemostat("history", "--csv").out)))
    assert [row["id"] for row in rows] == [each.id for each in (*HEALED, *FALSE, *REFUSED)]
    assert rows[0]["time"] == "2026-11-24T09:26:40.500000+0900"
    assert rows[4]["container"] == "'=db"
    assert rows[3]["text"] == "restarted, healed in 3.1 s"


@pytest.mark.parametrize("words", [["--since", "someday"], ["--kind", "bad"], ["--csv", "--json"]])
def test_invalid_arguments_are_reported(hemostat, filled, words):
    result = hemostat("history", *words)
    assert (result.code, result.out) == (2, "")


def test_incidents_are_listed_with_their_outcome(hemostat, filled):
    told = hemostat("incident", "list", "--json").json
    assert [(each["incident"], each["status"], each["seconds"]) for each in told] == [
        ("i1", "healed", 4.0),
        ("i2", "false_alarm", 61.0),
        ("j3", "refused", None),
    ]
    assert [each["incident"] for each in hemostat("incident", "list", "--json", "-n", "1").json] == ["j3"]
    assert "i2" in hemostat("incident", "list", "--project", "shop").out
    assert "i1" not in hemostat("incident", "list", "--project", "shop").out


def test_incident_is_printed_step_by_step(hemostat, filled):
    result = hemostat("incident", "show", "i1")
    assert result.code == 0
    for words in ("healed", "+500 ms", "alert", "diagnosis", "because: exit code 1", "detected 500 ms"):
        assert words in result.out
    assert hemostat("incident", "show", "web").out.startswith("incident j3")
    assert hemostat("incident", "show", "j").out.startswith("incident j3")


def test_orders_are_listed_and_shown(hemostat, filled):
    order = next(each for each in ALL if each.type == "order")
    filled.append([msgspec.structs.replace(order, incident="o1")])
    assert "ordered" in hemostat("incident", "list").out
    assert "ann@h asks for a restart" in hemostat("incident", "show", "o1").out


def test_incident_is_exported(hemostat, filled):
    assert hemostat("incident", "show", "i1", "--export", "md").out.startswith("# web: exited, healed")
    told = hemostat("incident", "show", "i1", "--export", "json").json
    assert [each["id"] for each in told["events"]] == [each.id for each in HEALED]


@pytest.mark.parametrize(("name", "words"), [("nope", "no incident 'nope'"), ("i", "several incidents")])
def test_unknown_incident_is_reported(hemostat, filled, name, words):
    result = hemostat("incident", "show", name)
    assert result.code == 1
    assert words in result.err


def test_report_counts_outcomes_of_incidents(hemostat, filled):
    filled.append([event(alert(), 700, incident="k4"), event(CLEARED, 701, incident="k4")])
    told = hemostat("report", "--since", SINCE, "--json").json
    expected = {"incidents": 4, "healed": 1, "false_alarms": 1, "recovered": 1, "refused": 1, "open": 1}
    assert {name: told[name] for name in expected} == expected
    assert told["spend"] == {"diagnoses": 1, "tokens": 1000, "cost": 0.25, "cost_usd": 0.25}
    spread = {"count": 1, "mean": 4.0, "mean_seconds": 4.0, "p95": 4.0, "p95_seconds": 4.0}
    assert told["heal"] == spread
    assert (told["worst_containers"], told["periods"]) == (told["offenders"], told["bars"])
    assert [each["container"] for each in told["offenders"]] == ["web", "=db"]
    assert sum(bar["healed"] + bar["settled"] + bar["rest"] for bar in told["bars"]) == 4


def test_report_is_a_table_or_markdown_with_a_chart(hemostat, filled, tmp_path):
    picture = tmp_path / "chart.svg"
    result = hemostat("report", "--since", SINCE, "--chart", str(picture))
    assert "healed by HemoStat    1 (33%)" in result.out
    assert "No incident of the period before is stored." in result.out
    assert "$0.25" in result.out
    assert "| web | 2 | 2 | 1 | exited 2 |" in hemostat("report", "--since", SINCE, "--markdown").out
    colours = [each.get("fill") for each in ET.parse(picture).iter("{http://www.w3.org/2000/svg}rect")]  # noqa: S314 - our own
    assert {"#2e9e5b", "#9aa5b1", "#d64545"} <= set(colours)
    assert "nan" not in picture.read_text()


def test_report_without_incidents_has_no_figures(hemostat, filled, tmp_path):
    picture = tmp_path / "chart.svg"
    told = hemostat(
        "report", "--since", "2026-11-01", "--until", "2026-11-02", "--json", "--chart", str(picture)
    )
    assert (told.json["incidents"], told.json["detect"], told.json["offenders"]) == (0, None, [])
    assert picture.exists()
    assert hemostat("report", "--since", "2026-11-02", "--until", "2026-11-01").code == 2


def test_intact_audit_chain_is_verified(hemostat, filled):
    result = hemostat("audit", "verify")
    assert result.code == 3
    assert "rows 1 to 8" in result.out
    assert "no head is noted elsewhere" in result.err
    head = hemostat("audit", "head").out.strip()
    again = hemostat("audit", "verify", "--head", head)
    assert (again.code, again.err) == (0, "")
    assert hemostat("audit", "verify", "--head", "nonsense").code == 2


def test_changed_rows_are_named(hemostat, filled):
    with filled._engine.begin() as connection:
        connection.execute(sql.text("UPDATE hemostat_events SET outcome = 'healed' WHERE number = 8"))
    result = hemostat("audit", "verify")
    assert result.code == 1
    assert (
        f"row 8 (remediation_complete, event {REFUSED[1].id}) was changed after it was written" in result.out
    )
    assert [each["number"] for each in hemostat("audit", "verify", "--json").json["findings"]] == [8]


def test_changed_row_cannot_forge_the_report(hemostat, filled):
    forged = "x\x1b[2J\nrows 1 to 8 are unchanged"
    with filled._engine.begin() as connection:
        connection.execute(sql.text("UPDATE hemostat_events SET id = :id WHERE number = 8"), {"id": forged})
    result = hemostat("audit", "verify")
    assert (result.code, len(result.out.splitlines())) == (1, 1)
    assert "\x1b" not in result.out


@pytest.mark.redis
def test_removed_tail_is_detected_by_the_note_in_redis(hemostat, bus, store):
    store.append(HEALED)
    redis = connect(EmbeddedRedis(_state()).url)
    RedisAuditAnchor(redis).note_head(store.read_ends().trail, ChainPosition(9, b"\x01" * 32))
    result = hemostat("audit", "verify")
    assert result.code == 1
    assert "the trail ends here, but 9 rows are noted" in result.out
    redis.close()


def _state():
    from pathlib import Path

    return Path(os.environ["HEMOSTAT_STATE_DIR"])


def test_truncated_output_is_mentioned_on_stderr(hemostat, filled):
    said = hemostat("history", "-n", "1")
    assert len(said.out.splitlines()) == 1
    cursor = f"--before {NOW + 601}:8"
    assert said.err == (
        f"hemostat: only the newest 1 events are printed; {cursor} prints the next page, -n 0 all\n"
    )
    assert hemostat("history", "-n", "0").err == ""
    assert hemostat("history").err == ""


def test_next_page_is_named_and_read_with_its_cursor(hemostat, filled):
    first = hemostat("history", "--limit", "3")
    cursor = first.err.split("--before ")[1].split()[0]
    second = hemostat("history", "-n", "5", "--before", cursor)
    lines = (second.out + first.out).splitlines()
    assert lines == hemostat("history").out.splitlines()
    assert second.err == ""


def test_first_json_line_has_the_cursor_of_the_next_page(hemostat, filled):
    ids, before = [], []
    while True:
        lines = [
            json.loads(each) for each in hemostat("history", "--json", "-n", "3", *before).out.splitlines()
        ]
        ids = [*(each["id"] for each in lines), *ids]
        assert not any("next" in each for each in lines[1:])
        if "next" not in lines[0]:
            break
        before = ["--before", lines[0]["next"]]
    assert ids == [each.id for each in (*HEALED, *FALSE, *REFUSED)]


def test_field_next_of_a_stored_event_is_not_printed(hemostat, filled):
    change_body(filled, {**json.loads(encode(REFUSED[1])), "next": "1.0:1"})
    assert "next" not in json.loads(hemostat("history", "--json").out.splitlines()[-1])


def test_invalid_cursor_is_refused(hemostat, filled):
    result = hemostat("history", "--before", "yesterday")
    assert (result.code, result.out) == (2, "")
    assert "is not a cursor" in result.err
