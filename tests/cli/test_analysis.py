"""`analyze --once`, `explain` and `eval`: an incident analysed, and nothing acted on."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from hemostat import app
from hemostat.adapters.redis import EmbeddedRedis, RedisEvidence, connect
from hemostat.core.diagnosis.case import ExpectedDiagnosis, decode, encode
from hemostat.core.evidence.build import build_snapshot
from hemostat.errors import AdvisorError, AdvisorUnreachableError
from hemostat.events import DURABLE, Action, FalseAlarm, Investigation, Kind, Quote
from tests.support.advisors import ScriptedAdvisor, concluding, recording
from tests.support.engine_fixtures import eventually
from tests.support.model_server import ModelServer
from tests.support.model_wires import CLAUDE, GPT, KEY, Says
from tests.support.samples import DIAGNOSIS, LOOP, NOW, alert, complete, event, needed

BUSY = alert(kind=Kind.CPU_HIGH, evidence=LOOP)
RUNAWAY = ExpectedDiagnosis(causes=("runaway",), actions=("restart",), roots=("web",))


@pytest.fixture
def model(monkeypatch):
    """A model in the place of a vendor's; it concludes that it is a runaway."""
    scripted = ScriptedAdvisor(concluding())
    chosen = lambda settings, environ: None if settings.analyzer.advisor == "rules" else scripted  # noqa: E731
    monkeypatch.setattr(app.llm, "make_advisor", chosen)
    return scripted


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "busy.json"
    path.write_bytes(encode(recording(BUSY)))
    return str(path)


@pytest.fixture
def told(bus):
    """A reported incident with its stored data."""
    asked = needed(alert=BUSY)
    done = complete(kind=Kind.CPU_HIGH)
    bus.publish([event(BUSY), event(asked, 0.1), event(done, 3)])
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    kept = build_snapshot(asked, None, now=NOW + 0.2, log="password=hunter2\nretrying at once")
    RedisEvidence(connect(server.url)).put("i1", kept)
    return bus


def test_file_is_analysed_by_rules_without_redis(hemostat, file):
    code, out, _ = hemostat("analyze", "--once", file, "--advisor", "rules")
    assert code == 0
    assert "runaway, confidence 0.85, by rules" in out
    assert out.splitlines()[-1].split() == ["action", "restart"]


def test_named_model_is_asked_and_its_conclusion_shown(hemostat, file, model):
    shown = hemostat("analyze", "--once", file, "--advisor", "openai", "--json").json
    made = shown["diagnosis"]["investigation"]
    assert (shown["container"], shown["kind"], shown["action"]) == ("web", "cpu_high", "restart")
    assert (made["model"], made["roots"]) == ("test:model", ["web"])
    assert made["quotes"] == [{"source": "log", "text": "retrying at once"}]
    assert len(model.asked) == 1


def test_failing_model_falls_back_to_rules_with_the_reason(hemostat, file, model):
    model.replies = [AdvisorUnreachableError("no route to it")]
    out = hemostat("analyze", "--once", file, "--advisor", "openai").out
    assert "by the rules: no route to it" in out
    assert "restart" in out


def test_prompt_is_shown_as_it_would_be_sent(hemostat, file, model):
    out = hemostat("analyze", "--once", file, "--advisor", "openai", "--show-prompt").out
    system, first = str(model.asked[0][0]), out
    assert all(line in first for line in system.splitlines())
    assert "You are the on-call engineer" in out


def test_file_that_is_not_an_eval_case_is_refused(hemostat, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{}")
    code, _, err = hemostat("analyze", "--once", str(path))
    assert code == 1
    assert str(path) in err
    code, _, err = hemostat("analyze", "--once", str(tmp_path / "none.json"))
    assert (code, "does not exist" in err) == (2, True)
    assert hemostat("analyze", "--show-prompt").code == 2


def test_incident_is_found_by_an_id_prefix(hemostat, told, model):
    shown = hemostat("analyze", "--once", "i", "--advisor", "openai", "--json").json
    assert (shown["incident"], shown["action"]) == ("i1", "restart")
    seen = model.seen()
    assert "retrying at once" in seen
    assert "hunter2" not in seen
    assert "healed" not in seen, "it must not be told what came of it"


def test_analysis_publishes_nothing(hemostat, told, model):
    before = [told.read_recent(stream, 100) for stream in DURABLE]
    hemostat("analyze", "--once", "i1", "--advisor", "openai")
    hemostat("explain", "i1", "--advisor", "openai")
    assert [told.read_recent(stream, 100) for stream in DURABLE] == before


def test_explanation_covers_alert_to_outcome(hemostat, bus):
    made = Investigation(
        model="vendor:m",
        roots=("db",),
        quotes=(Quote("log", "no route to db"),),
        expect="it is healthy",
        alternative="a full disk",
        steps=("log web grep 'db'",),
        seconds=2.5,
        tokens=3100,
        cost=0.0123,
    )
    diagnosis = msgspec.structs.replace(DIAGNOSIS, advisor="vendor:m", investigation=made)
    bus.publish([event(complete(), 3), event(alert()), event(needed(diagnosis=diagnosis), 0.1)])
    lines = hemostat("explain", "web").out.splitlines()
    assert lines[0].split() == ["incident", "i1", "web", "exited,", "healed"]
    order = [line[21:].split()[0] for line in lines[1:]]
    assert order == [
        *(
            "alert",
            "diagnosis",
            "because",
            "because",
            "roots",
            "quoted",
            "expected",
            "alternative",
            "inspected",
            "took",
        ),
        *("decision", "action", "verification", "outcome", "next"),
    ]
    text = "\n".join(lines)
    for part in ("confidence 0.90, by vendor:m", "log: no route to db", "a full disk", "$0.0123", "3100"):
        assert part in text


def test_false_alarm_is_explained(hemostat, bus):
    bus.publish([event(alert()), event(FalseAlarm(alert=alert(), diagnosis=DIAGNOSIS), 0.1)])
    assert hemostat("explain", "i1").out.splitlines()[-2].split(None, 1) == ["decision", "no action needed"]


def test_json_explanation_contains_the_events(hemostat, told):
    shown = hemostat("explain", "i1", "--json").json
    assert (shown["incident"], shown["container"], shown["status"]) == ("i1", "web", "healed")
    assert [each["type"] for each in shown["events"]] == [
        *("health_alert", "remediation_needed", "remediation_complete"),
    ]


def test_exported_incident_is_analysed_elsewhere(hemostat, told, tmp_path):
    path = tmp_path / "i1.json"
    assert hemostat("explain", "i1", "--export", str(path)).code == 0
    exported = decode(path.read_bytes())
    assert exported.case.alert == BUSY
    assert exported.case.dossier.action is Action.NONE
    assert "hunter2" not in path.read_text()
    (line,) = exported.case.story
    assert line.partition(", ")[2].startswith("web: CPU at 99 %; received 0 B/s, sent 0 B/s")
    assert hemostat("analyze", "--once", str(path), "--advisor", "rules").code == 0
    code, _, err = hemostat("explain", "i1", "--export", str(tmp_path / "no" / "i1.json"))
    assert (code, "No such file or directory" in err) == (1, True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("x", "the latest are: i2 (web exited), i1 (web exited)"),
        ("webb", "did you mean web?"),
        ("i", "2 incidents begin with 'i'"),
    ],
)
def test_unknown_incident_is_reported_with_the_nearest(hemostat, bus, name, hint):
    bus.publish([event(alert()), event(alert(), 1, incident="i2")])
    code, out, err = hemostat("explain", name)
    assert (code, out) == (1, "")
    assert hint in err
    assert err.count("\n") == 1


def test_no_incidents_prints_where_to_look(hemostat, bus):
    assert "no incident 'i1' exists: see: hemostat events" in hemostat("explain", "i1").err


# --- eval ---------------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path):
    """Two incidents: one that the rules read right, one that they do not."""
    path = tmp_path / "incidents"
    path.mkdir()
    for name, truth in (
        ("right", RUNAWAY),
        ("wrong", ExpectedDiagnosis(causes=("saturated",), actions=("none",), roots=("db",))),
    ):
        told = msgspec.structs.replace(recording(BUSY), truth=truth)
        (path / f"{name}.json").write_bytes(encode(told))
    return path


def test_rules_are_evaluated_without_redis(hemostat, directory):
    shown = hemostat("eval", str(directory), "--advisor", "rules", "--json").json
    assert shown.pop("latency_p50_s") < 1
    assert shown == {
        "advisor": "rules",
        "incidents": 2,
        "cause_accuracy": 0.5,
        "action_accuracy": 0.5,
        "root_score": 0.5,
        "unsafe_actions": 1,
        "tokens": 0,
        "cost_usd": 0.0,
    }


def test_evaluation_table_shows_the_expected_result(hemostat, directory):
    out = hemostat("eval", str(directory), "--advisor", "rules").out
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith(("right", "wrong"))}
    assert rows["right"].split()[1:] == ["right", "runaway", "restart", "web", "rules"]
    assert rows["wrong"].split()[1] == "UNSAFE"
    assert rows["wrong"].endswith("cause saturated; action none; roots db")
    assert "2 incidents by rules: cause 50.0%, action 50.0%, root 50.0%, 1 unsafe actions" in out


def test_evaluation_asks_the_model_only_for_ambiguous_cases(hemostat, directory, model):
    shown = hemostat("eval", str(directory), "--advisor", "openai", "--json").json
    assert (shown["advisor"], shown["tokens"], len(model.asked)) == ("test:model", 2200, 2)
    plain = directory / "plain.json"
    crash = msgspec.structs.replace(recording(alert()), truth=RUNAWAY)
    plain.write_bytes(encode(crash))
    hemostat("eval", str(directory), "--advisor", "openai", "--json")
    assert len(model.asked) == 4
    hemostat("eval", str(directory), "--advisor", "openai", "--json", "--ask-all")
    assert len(model.asked) == 7


def test_evaluation_stops_when_the_budget_is_spent(hemostat, directory, model):
    prices = ("--set", "analyzer.price_sent=10", "--set", "analyzer.price_received=10")
    shown = hemostat("eval", str(directory), "--advisor", "openai", "--json", *prices)
    assert (shown.code, shown.json["cost_usd"]) == (0, 0.022)
    code, out, err = hemostat(
        "eval", str(directory), "--advisor", "openai", "--json", "--max-cost", "0.04", *prices
    )
    assert (code, json.loads(out)["incidents"]) == (1, 1)
    assert "stopped after 1 of 2: --max-cost is reached" in err


def test_refused_key_ends_the_evaluation(hemostat, directory, model):
    model.replies = [AdvisorError("the key is refused", transient=False)]
    code, out, err = hemostat("eval", str(directory), "--advisor", "openai")
    assert (code, out) == (1, "")
    assert "the key is refused" in err


def test_directory_without_eval_cases_is_reported(hemostat, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "contains no eval cases" in hemostat("eval", str(tmp_path / "empty")).err
    (tmp_path / "busy.json").write_bytes(encode(recording(BUSY)))
    assert "does not contain the truth" in hemostat("eval", str(tmp_path)).err
    os.mkfifo(tmp_path / "a.json")
    assert "a.json is a named pipe, not a file" in hemostat("eval", str(tmp_path)).err
    (tmp_path / "a.json").unlink()
    with (tmp_path / "a.json").open("wb") as sparse:
        sparse.truncate(1 << 40)
    assert "a.json is larger than 16 MiB" in hemostat("eval", str(tmp_path)).err


# --- by the vendors' own SDKs, on a server that speaks their wires ------------------------------------

CONCLUDES = {
    "cause": "runaway",
    "summary": "It spins in a retry loop.",
    "confidence": 0.9,
    "roots": ["web"],
    "evidence": [{"source": "log", "quote": "retrying at once"}],
    "action": "restart",
    "expected_effect": "CPU falls",
}
PLAIN = {**CONCLUDES, "evidence": [{"source": "alert", "quote": "received 0 B/s"}]}
"""Where no engine tells of a log."""


@pytest.fixture(params=["anthropic", "openai"])
def vendor(request):
    return request.param


@pytest.fixture
def server(vendor, environ):
    environ.setenv("HEMOSTAT_ANALYZER_API_KEY", KEY)
    environ.setenv("HEMOSTAT_ANALYZER_MODEL", {"anthropic": CLAUDE, "openai": GPT}[vendor])
    environ.setenv("HEMOSTAT_ANALYZER_TIMEOUT", "60s")
    look = Says(calls=[("log", {"container": "web", "grep": "retrying"})])
    with ModelServer([look, *[Says(calls=[("conclude", CONCLUDES)])] * 9]) as server:
        environ.setenv("HEMOSTAT_ANALYZER_BASE_URL", server.base_url(vendor))
        yield server


def test_model_on_a_server_is_evaluated(hemostat, directory, vendor, server):
    shown = hemostat("eval", str(directory), "--advisor", vendor, "--json").json
    assert (shown["incidents"], shown["cause_accuracy"], shown["tokens"]) == (2, 0.5, 3 * 120), shown
    assert shown["advisor"].startswith(f"{vendor}:")


@pytest.mark.redis
def test_explanation_lists_investigation_steps(hemostat, bus, spawn, vendor, server):
    """As the analyzer made it, on its own."""
    spawn("analyze", "--advisor", vendor, "--set", "engine.url=unix:///nowhere.sock")
    eventually(lambda: bus.read_last_values("heartbeat"))
    server.script([Says(calls=[("events", {"container": "web"})]), Says(calls=[("conclude", PLAIN)])])
    bus.publish([event(BUSY)])
    eventually(lambda: bus.read_recent("remediation_needed", 1))
    out = hemostat("explain", "web").out
    for part in (f"by {vendor}:", "roots        web", "alert: received 0 B/s", "inspected    events web"):
        assert part in out, out


def test_pipe_is_refused_as_eval_case_and_as_directory(hemostat, tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert f"{pipe} is a named pipe, not a file" in hemostat("analyze", "--once", str(pipe)).err
    assert f"{pipe} is not a directory" in hemostat("eval", str(pipe)).err
