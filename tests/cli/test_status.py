"""`hemostat status`: faults first."""

import json

import pytest

from hemostat.cli.output.tables import Row, Table, format_plain
from hemostat.cli.status.status_tables import format_headline, make_tables
from hemostat.core.history.status import build_status
from hemostat.core.labels.container_ref import build_reference
from hemostat.events import Kind, Outcome, Reason, State
from hemostat.streams import ROLES, ROLES_BY_NAME
from tests.support.samples import NOW, alert, complete, event, heartbeat, stats

BEATS = [event(heartbeat(role.name), 0) for role in ROLES]


def of(name: str, **changes):
    return stats(container=build_reference(name, name, "", {}), **changes)


def look(beats=(), containers=(), history=(), after=1.0):
    return build_status(
        beats, [event(each) for each in containers], history, expected=tuple(ROLES_BY_NAME), now=NOW + after
    )


def test_status_without_roles_prints_a_hint():
    shown = look()
    assert not shown.running
    assert format_headline(shown) == "HemoStat is not running: start it with: hemostat all"


def test_status_of_a_healthy_system():
    shown = look(BEATS, [of("web")])
    assert format_headline(shown) == "0 open incidents, 1 container, 4 roles running"
    assert not any(row.fault for table in make_tables(shown, NOW) for row in table.rows)


def test_dead_letters_are_counted():
    shown = build_status(BEATS, [], [], expected=tuple(ROLES_BY_NAME), now=NOW, buried=2)
    assert format_headline(shown) == "0 open incidents, 0 containers, 4 roles running, 2 dead letters"


def test_roles_with_problems_come_first():
    beats = [event(heartbeat("alert"), 0), event(heartbeat("analyzer"), -9), event(heartbeat("monitor"), 0)]
    beats.append(event(heartbeat("monitor", instance="h-2", trouble="no engine"), 0))
    shown = look(beats)
    roles = make_tables(shown, NOW)[1].rows
    assert [row.cells[:2] for row in roles] == [
        ("responder", "not running"),
        ("analyzer", "silent for 10 s"),
        ("monitor", "running"),
        ("alert", "running"),
        ("monitor", "running"),
    ]
    assert [row.fault for row in roles] == [True, True, True, False, False]
    assert roles[2].cells[-1] == "no engine"
    assert format_headline(shown).endswith("not running: responder")


def test_containers_with_incidents_come_first():
    containers = [
        of("a"),
        of("c", state=State(status="running", health="unhealthy")),
        of("d"),
        of("web"),
    ]
    shown = look(BEATS, containers, [event(alert())])
    assert [(each.name, each.fault) for each in shown.containers] == [
        ("c", True),
        ("web", True),
        ("a", False),
        ("d", False),
    ]
    assert [row.cells[1::3] for row in make_tables(shown, NOW)[2].rows[:2]] == [
        ("running (unhealthy)", ""),
        ("running (healthy)", "exited"),
    ]


def test_only_open_incidents_are_shown_newest_first():
    refused = complete(outcome=Outcome.REFUSED, reason=Reason.BUDGET_SPENT)
    history = [
        event(alert(kind=Kind.OOM), 0, incident="old"),
        event(complete(kind=Kind.OOM), 2, incident="old"),
        event(alert(since=NOW + 10), 10, incident="a"),
        event(alert(since=NOW + 20, kind=Kind.UNHEALTHY), 20, incident="b"),
        event(refused, 21, incident="a"),
    ]
    shown = look(BEATS, [], history, after=80)
    assert [row.cells for row in make_tables(shown, NOW)[0].rows] == [
        ("web", "health check fails", "1 min", "health check fails; exit code 1"),
        ("web", "exited", "1 min 10 s", "not restarted: its budget is spent"),
    ]


def test_numbers_have_units_and_limits():
    limited = of("web", cpu=50.0, cpu_limit=0.5, memory=1024**2, memory_limit=4 * 1024**2)
    [row] = make_tables(look(BEATS, [limited]), NOW)[2].rows
    assert row.cells[2:4] == ("50.0 % of 50 %", "1.0 MiB of 4.0 MiB")
    [row] = make_tables(look(BEATS, [of("web", cpu=None, memory=None)]), NOW)[2].rows
    assert row.cells[2:4] == ("-", "-")


def test_containers_of_several_hosts_are_distinguished():
    beside = [event(of("web"), host="a"), event(of("web"), host="b")]
    shown = build_status(BEATS, beside, [], expected=tuple(ROLES_BY_NAME), now=NOW)
    assert [row.cells[0] for row in make_tables(shown, NOW)[2].rows] == ["a/web", "b/web"]


def test_plain_tables_are_aligned_and_escaped():
    table = Table("Things", ("name", "state"), [Row(("a\x1bb", "up")), Row(("longer name", "down"))])
    assert format_plain(table) == ["THINGS", "name         state", r"a\x1bb       up", "longer name  down"]


@pytest.mark.redis
def test_json_contains_the_whole_status(hemostat, bus):
    bus.publish_live([*BEATS, event(stats())], ttl=30)
    bus.publish([event(alert())])
    (entry,) = bus.read("alert", "a", ["health_alert"], count=1, timeout=0)
    bus.move_to_dead_letters("alert", entry, "poison", NOW)
    result = hemostat("status", "--json")
    told = result.json
    assert (result.code, result.err) == (0, "")
    assert told["running"] is True
    assert (told["missing"], told["buried"]) == ([], 1)
    assert sorted(role["role"] for role in told["roles"]) == sorted(role.name for role in ROLES)
    assert [each["name"] for each in told["containers"]] == ["web"]
    assert [(each["container"], each["status"]) for each in told["incidents"]] == [("web", "open")]


@pytest.mark.redis
def test_old_open_incident_is_shown_beside_newer_ones(hemostat, bus):
    bus.publish([event(alert(), 0, incident="old")])
    for number in range(600):
        name, later = f"i{number}", float(number + 1)
        bus.publish([event(alert(), later, incident=name), event(complete(), later + 0.5, incident=name)])
    assert [each["incident"] for each in hemostat("status", "--json").json["incidents"]] == ["old"]


@pytest.mark.redis
def test_text_in_a_pipe_has_no_colour(hemostat, bus):
    bus.publish_live([*BEATS, event(stats())], ttl=30)
    code, out, _ = hemostat("status")
    assert code == 0
    assert "\x1b" not in out
    assert "web        running (healthy)  12.5 %  64.0 MiB" in out


@pytest.mark.redis
def test_redis_without_roles_exits_with_0(hemostat, bus):
    code, out, _ = hemostat("status")
    assert (code, out) == (0, "HemoStat is not running: start it with: hemostat all\n")


def test_status_json_without_redis_is_valid_json(hemostat, tmp_path):
    code, out, err = hemostat("status", "--json", "--set", f"redis.url=unix://{tmp_path}/none.sock")
    assert code == 3
    assert json.loads(out)["running"] is False
    assert json.loads(err)["error"].startswith("Redis at ")


def test_unusable_labels_are_named_with_their_container():
    labels = {"hemostat.windw": "1m"}
    shown = look(BEATS, [stats(container=build_reference("web", "web", "", labels)), of("db")])
    (table,) = (each for each in make_tables(shown, NOW) if each.title == "Invalid labels")
    (row,) = table.rows
    assert row.cells[0] == "web"
    assert "hemostat.windw is unknown: did you mean hemostat.window?" in row.cells[1]
    assert [each.label_mistakes for each in shown.containers if each.name == "db"] == [()]


def test_mode_of_the_responders_is_shown():
    rehearsal = event(heartbeat("responder", mode="dry-run"))
    assert format_headline(look([*BEATS[:2], rehearsal, BEATS[3]])).endswith("4 roles running, mode dry-run")
    other = event(heartbeat("responder", mode="auto"), host="b")
    told = look([*BEATS[:2], rehearsal, other, BEATS[3]])
    assert "mode auto on b; mode dry-run on h" in format_headline(told)
    assert told.modes == {"b": "auto", "h": "dry-run"}


def test_faults_hide_healthy_containers_and_roles():
    beats = [*BEATS[:3], event(heartbeat("alert", trouble="no engine"))]
    sick = of("web", state=State(status="running", health="unhealthy"))
    shown = look(beats, [of("db"), sick], [event(alert())])
    tables = {each.title: each.rows for each in make_tables(shown, NOW, faults=True)}
    assert [row.cells[0] for row in tables["Roles"]] == ["alert"]
    assert [row.cells[0] for row in tables["Containers"]] == ["web"]
    assert len(tables["Open incidents"]) == 1


@pytest.mark.redis
def test_open_incidents_are_last_in_a_low_terminal(hemostat, environ, bus):
    environ.setattr("hemostat.terminal.is_terminal", lambda _: True)
    for name, value in (("COLUMNS", "80"), ("LINES", "24"), ("TERM", "dumb")):
        environ.setenv(name, value)
    bus.publish_live([*BEATS, *(event(of(f"c{number}")) for number in range(20))], ttl=30)
    bus.publish([event(alert(container=build_reference("c3", "c3", "", {})))])
    for options, is_last in (((), True), (("--faults",), False)):
        lines = [line.rstrip() for line in hemostat("status", *options).out.splitlines()]
        assert lines[0].startswith("1 open incident, 20 containers")
        titles = [line for line in lines if line in {"Open incidents", "Containers", "Roles"}]
        assert (titles[-1] == "Open incidents") is is_last
        assert (lines[0] in lines[1:]) is is_last
        assert all(len(line) <= 80 for line in lines)


def test_stricter_modes_are_shown_beside_the_mode():
    modes = {"cleanup": "dry-run", "project shop": "approve"}
    beat = event(heartbeat("responder", mode="auto", modes=modes))
    told = look([*BEATS[:2], beat, BEATS[3]])
    assert format_headline(told).endswith("mode auto (approve: project shop; dry-run: cleanup)")
    assert told.modes == {"h": "auto"}


def test_exit_of_a_container_is_shown():
    shown = look(BEATS, [of("web", state=State(status="exited", exit_code=3)), of("db")])
    (table,) = (each for each in make_tables(shown, NOW) if each.title == "Containers")
    assert {row.cells[0]: row.cells[1] for row in table.rows} == {
        "web": "exited 3",
        "db": "running (healthy)",
    }
    assert [each.exit_code for each in shown.containers] == [None, 3]
