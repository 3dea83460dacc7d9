"""`hemostat doctor`: every check is made, whatever the others find."""

import os
import re
import socket
import threading
from types import SimpleNamespace

import msgspec
import pytest
import sqlalchemy as sql

from hemostat.adapters.redis import EmbeddedRedis, RedisAuditAnchor
from hemostat.adapters.sql_store import SqlStore
from hemostat.cli.doctor import checks, time_limit
from hemostat.cli.doctor.checks import CHECKS, DoctorCheck, run_check, run_checks
from hemostat.cli.doctor.doctor import format_checks
from hemostat.cli.doctor.findings import Check, CheckResult, Level
from hemostat.cli.doctor.machine import Machine
from hemostat.cli.doctor.name_checks import judge_names
from hemostat.config import FIELDS, Loaded, Settings
from hemostat.core.history.audit_chain import ChainPosition
from hemostat.core.notify.dead_letters import DeadLetter
from hemostat.core.settings.alert import AlertSettings, Channel
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.engines import EngineAddress
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import ConfigError, EngineUnreachableError
from hemostat.events import Heartbeat
from hemostat.ports import EngineVersion
from hemostat.streams import ROLES
from tests.support.model_server import ModelServer
from tests.support.model_wires import CLAUDE, GPT, KEY
from tests.support.samples import NOW, alert, event, heartbeat, stats


def fails_with(error):
    def ask(_):
        raise error

    return ask


def machine(environ=(), **settings):
    return Machine(lambda: SimpleNamespace(settings=Settings(**settings), path=None), dict(environ))


def with_engine(forbidden=(), mode="auto", **changes):
    fields = {"version": "20.10.24", "api": "1.41", "name": "h", "root": "/", "cgroup_version": "2"}
    version = EngineVersion(**{**fields, "cpus": 1, "memory": 1, **changes})
    found = machine(responder=ResponderSettings(mode=mode))
    told = SimpleNamespace(version=lambda: version, containers=list, find_forbidden=lambda _: list(forbidden))
    found.engine = lambda: told
    return found


@pytest.mark.parametrize(
    ("error", "essential", "level"),
    [
        (EngineUnreachableError("no engine", hint="start it"), True, Level.FAILURE),
        (EngineUnreachableError("no engine", hint="start it"), False, Level.WARNING),
        (ZeroDivisionError("oops"), True, Level.FAILURE),
    ],
)
def test_failing_check_is_a_finding(error, essential, level):
    check = run_check(DoctorCheck("engine", fails_with(error), essential), machine())
    assert check.level is level
    assert str(error).partition(":")[0] in check.message


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"local": True}, Level.OK, "engine h at unix:///x.sock, on this machine"),
        ({"local": None}, Level.OK, "no running container shows which"),
        ({"local": False}, Level.WARNING, "remote; events name this machine"),
        ({"local": True, "risk": "the connection is not encrypted"}, Level.WARNING, "is not encrypted"),
    ],
)
def test_location_of_the_engine_is_named(changes, level, text):
    check = checks.check_engine(with_engine(address="unix:///x.sock", **changes))
    assert check.level is level
    assert text in check.message


@pytest.mark.parametrize("name", ["web1", socket.gethostname()])
def test_remote_engine_whose_host_is_named_needs_no_hint(name):
    remote = with_engine(local=False, address="ssh://web1")
    remote.loaded = lambda: SimpleNamespace(settings=Settings(host=name))
    assert checks.check_engine(remote).level is Level.OK


def test_failed_connection_is_tried_once():
    tries = []

    def load():
        tries.append(1)
        raise ConfigError("bad file")

    found = Machine(load, {})
    assert found.settings == Settings()
    assert found.settings == Settings()
    assert tries == [1]


@pytest.mark.parametrize(
    ("api", "level"), [("1.40", "failure"), ("1.41", "ok"), ("1.47", "ok"), ("1.9", "failure")]
)
def test_engine_before_20_10_is_too_old(api, level):
    assert checks.check_engine(with_engine(api=api)).level == level


POSTS = [f"POST /containers/ID/{verb}" for verb in ("restart", "start", "stop", "update", "exec")]


@pytest.mark.parametrize(
    ("forbidden", "mode", "level", "said"),
    [
        ([], "auto", "ok", "all calls"),
        (POSTS, "auto", "failure", "POST /containers/ID/restart .*no action can run"),
        (POSTS, "dry-run", "warning", "no action can run"),
        (["GET /info"], "dry-run", "failure", r"forbids GET /info \(monitor and responder: memory .*\)$"),
        (POSTS[:1], "auto", "failure", r"/containers/ID/restart \(responder: no action restart\)$"),
    ],
)
def test_endpoints_forbidden_by_a_proxy_are_named(forbidden, mode, level, said):
    found = checks.check_engine_access(with_engine(forbidden, mode))
    assert found.level == level
    assert re.search(said, found.message)
    assert found.hint == "" or "=1" in found.hint


def test_warnings_of_roles_are_reported():
    beats = [
        event(Heartbeat(role=role.name, instance="1", pid=1, started=NOW, every=2.0, warnings=warnings))
        for role, warnings in zip(ROLES, [("cannot inspect web: it hangs",), (), (), ()], strict=True)
    ]
    found = machine()
    found.bus = lambda: SimpleNamespace(read_last_values=lambda _: beats)
    told = checks.check_roles(found)
    assert told.level == "warning"
    assert "cannot inspect web: it hangs" in told.message


@pytest.mark.parametrize("is_silent", [False, True])
def test_each_engine_is_checked_and_one_that_is_away_hinders_none(monkeypatch, is_silent):
    """Also where it answers a byte at a time, without end."""
    monkeypatch.setattr(time_limit, "ENGINE_SECONDS", 1.0 if is_silent else 60.0)
    engines = {name: EngineAddress(url=f"ssh://{name}") for name in ("web1", "web2")}
    settings = Settings(engines=engines)
    loaded = Loaded(settings, dict.fromkeys(FIELDS, "default"), None)
    found = Machine(lambda: loaded, {})

    def connect(settings):
        if settings.host_name == "web1":
            threading.Event().wait(600.0 if is_silent else 0.0)
            raise EngineUnreachableError("web1 is away")
        return with_engine().engine()

    monkeypatch.setattr("hemostat.app.open_engine", connect)
    results = [each for check in CHECKS if check.name == "Docker Engine" for each in run_checks(check, found)]
    assert [(each.engine, each.level) for each in results] == [("web1", "failure"), ("web2", "ok")]
    clock = next(check for check in CHECKS if check.name == "clock")
    assert [each.engine for each in run_checks(clock, found)] == ["web2"]
    lines = format_checks(results)
    assert ("web1: the engine has not answered completely" if is_silent else "web1: web1 is away") in lines[0]
    assert any("web2: Docker Engine 20.10.24" in line for line in lines)


def test_engine_without_a_monitor_is_reported():
    beats = [event(heartbeat(role), host="web1") for role in ("monitor", "analyzer", "responder", "alert")]
    found = machine(engines={name: EngineAddress(url=f"ssh://{name}") for name in ("web1", "web2")})
    found.bus = lambda: SimpleNamespace(read_last_values=lambda _: beats)
    assert checks.check_roles(found).message == "not running: monitor of web2, responder of web2"


def test_trouble_of_one_of_several_hosts_names_the_host():
    beats = [event(heartbeat(role.name, trouble="it is away"), host="web1") for role in ROLES[:1]]
    beats += [event(heartbeat(role.name), host="web2") for role in ROLES]
    found = machine()
    found.bus = lambda: SimpleNamespace(read_last_values=lambda _: beats)
    assert checks.check_roles(found).message == "all are running; monitor of web1: it is away"


def test_engine_with_two_names_is_reported():
    twice = [event(stats(), host="web1"), event(stats(), host="local")]
    result = judge_names([], "h", twice, engines=("local", "web1"))
    assert result.level is Level.WARNING
    assert "local, web1 report the same containers" in result.message
    assert judge_names([], "h", twice[:1], engines=("local", "web1")).message.endswith("are local, web1")


def test_clock_difference_is_reported():
    import time

    assert checks.check_clock(with_engine(time=time.time())).level is Level.OK
    assert checks.check_clock(with_engine(time=time.time() - 60)).level is Level.FAILURE
    assert checks.check_clock(with_engine(time=time.time() + 60)).level is Level.FAILURE
    assert checks.check_clock(with_engine()).level is Level.WARNING


@pytest.fixture(params=["anthropic", "openai"])
def service(request):
    """A model's service, and the settings that lead to it."""
    with ModelServer() as server:
        model = {"anthropic": CLAUDE, "openai": GPT}[request.param]
        yield (
            server,
            AnalyzerSettings(advisor=request.param, model=model, base_url=server.base_url(request.param)),
        )


def asked(analysis, **changes):
    return checks.check_advisor(
        machine(analyzer=msgspec.structs.replace(analysis, **{"api_key": KEY, **changes}))
    )


def test_reachable_advisor_is_reported_with_its_model(service):
    server, analysis = service
    found = asked(analysis)
    assert found == CheckResult(Level.OK, f"{analysis.advisor}:{analysis.model} answers and accepts the key")
    assert [request.method for request in server.requests] == ["GET"]


def test_wrong_key_model_and_network_are_distinguished(service):
    _, analysis = service
    wrong = {
        "nonesuch": asked(analysis, model="nonesuch"),
        "answered 401": asked(analysis, api_key="sk-geheim-0123456789"),
        "cannot be reached": asked(analysis, base_url="http://127.0.0.1:9"),
    }
    for words, found in wrong.items():
        assert found.level is Level.WARNING
        assert found.message.startswith("the rules decide: ")
        assert words in found.message
        assert found.hint
        assert "geheim" not in found.message + found.hint


def test_advisor_without_a_key_is_a_failure():
    found = checks.check_advisor(machine(analyzer=AnalyzerSettings(advisor="anthropic")))
    assert found.level is Level.FAILURE
    assert found.message == "the analyzer will not start: no key is set for analyzer.advisor = anthropic"
    assert "ANTHROPIC_API_KEY" in found.hint


def test_rules_only_setup_makes_no_llm_check(service):
    server, analysis = service
    expected = CheckResult(Level.OK, "none: the rules decide")
    assert asked(analysis, advisor="rules") == expected
    assert checks.check_advisor(machine()) == expected
    assert server.requests == []


def test_state_directory_is_checked_and_not_created(tmp_path):
    wanted = tmp_path / "a" / "b"
    assert checks.check_state_directory(machine(state_dir=str(wanted))).level is Level.OK
    assert not wanted.parent.exists()
    (tmp_path / "a").write_text("in the way")
    assert checks.check_state_directory(machine(state_dir=str(wanted))).level is Level.FAILURE


@pytest.mark.parametrize(("mode", "level"), [(0o600, "ok"), (0o644, "ok"), (0o666, "warning")])
def test_writable_configuration_is_a_warning(hemostat, tmp_path, mode, level):
    (file := tmp_path / "own.toml").write_text("")
    file.chmod(mode)
    found = {each["name"]: each for each in hemostat("doctor", "--json", "-c", str(file)).json["checks"]}
    assert found["configuration"]["level"] == level


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_directory_must_be_writable(tmp_path):
    tmp_path.chmod(0o500)
    assert checks.check_state_directory(machine(state_dir=str(tmp_path))).level is Level.FAILURE


def test_report_has_symbols_hints_and_a_count():
    found = [
        Check(name="a", level=Level.OK, message="fine"),
        Check(name="b", level=Level.FAILURE, message="bad\x1b", hint="mend it"),
    ]
    lines = format_checks(found)
    assert [line.split() for line in lines[:3]] == [
        ["✓", "a", "fine"],
        ["✗", "b", r"bad\x1b"],
        ["mend", "it"],
    ]
    assert lines[-1] == "1 failed, 0 warnings, 1 passed"


def test_every_check_runs_on_an_empty_machine(hemostat, tmp_path, environ):
    environ.setenv("HEMOSTAT_REDIS_URL", f"unix://{tmp_path}/none.sock?password=geheim")
    code, out, err = hemostat("doctor", "--json", "--set", f"engine.url=unix://{tmp_path}/none.sock")
    assert code == 1
    assert "geheim" not in out + err
    told = hemostat("doctor", "--json").json
    assert [each["name"] for each in told["checks"]] == [*(question.name for question in CHECKS), "labels"]
    levels = {each["name"]: each["level"] for each in told["checks"]}
    assert levels["Redis"] == "failure"
    assert levels["roles"] == "warning"
    assert not (tmp_path / "state").exists()


def test_fresh_machine_has_no_warnings_about_redis(hemostat):
    levels = {each["name"]: each["level"] for each in hemostat("doctor", "--json").json["checks"]}
    needy = {"Redis access", "Redis memory", "Redis commands", "Redis rows", "store backlog"}
    needy |= {"roles", "dead letters", "names"}
    assert {levels[name] for name in needy} == {"skipped"}
    out = hemostat("doctor").out
    assert out.count("\n- ") == 1
    assert " not checked\n" in out


@pytest.mark.redis
def test_roles_that_have_not_run_yet_are_skipped(hemostat, bus):
    assert told(hemostat)["roles"]["level"] == "skipped"
    bus.publish([event(alert())])
    assert told(hemostat)["roles"]["level"] == "warning"


@pytest.mark.redis
def test_stopped_roles_are_a_warning_without_redis(hemostat, tmp_path):
    redis = EmbeddedRedis(tmp_path / "state")
    redis.ensure_running()
    redis.shut_down_if_unused()
    found = told(hemostat)
    assert (found["roles"]["level"], found["roles"]["hint"]) == ("warning", "start them with: hemostat all")
    assert found["Redis rows"]["level"] == "skipped"


def test_invalid_configuration_does_not_stop_other_checks(hemostat, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("nonsense = 1\n")
    code, out, _ = hemostat("doctor", "-c", str(file))
    assert code == 2
    assert f"✗ configuration    {file}: unknown key nonsense" in out
    assert "✓ Python" in out


@pytest.mark.docker
@pytest.mark.redis
def test_complete_machine_has_no_failures(hemostat, bus):
    code, out, _ = hemostat("doctor")
    assert "✗" not in out
    assert code == 0
    assert "answers at unix://" in out


@pytest.fixture
def kept(environ, tmp_path):
    """What was stored in the state directory, beside a Redis of its own."""
    opened = SqlStore(f"sqlite:///{tmp_path / 'state' / 'history.db'}", lambda: NOW)
    opened.append([event(alert(), at) for at in range(3)])
    yield opened
    opened.close()


def told(hemostat):
    return {each["name"]: each for each in hemostat("doctor", "--json").json["checks"]}


@pytest.mark.redis
def test_store_audit_chain_and_backlog_are_checked(hemostat, bus, kept, tmp_path):
    notary = RedisAuditAnchor(bus._client)
    ends = kept.read_ends()
    assert told(hemostat)["audit trail"]["level"] == "warning"
    notary.note_head(ends.trail, ends.head)
    bus.publish([event(alert(), at) for at in range(2)])
    found = told(hemostat)
    assert f"sqlite:///{tmp_path}/state/history.db, version 1, 3 events, " in found["store"]["message"]
    assert found["audit trail"]["message"] == "ends at row 3; row 3 is noted in Redis"
    assert found["store backlog"]["message"] == "2 events in the streams"
    assert {found[name]["level"] for name in ("store", "audit trail", "store backlog")} == {"ok"}
    notary.note_head(ends.trail, ChainPosition(5, b"x"))
    assert told(hemostat)["audit trail"]["level"] == "failure"
    assert "row 5, which was stored, is missing" in told(hemostat)["audit trail"]["message"]


def test_empty_store_has_no_findings(hemostat, environ, tmp_path):
    found = told(hemostat)
    assert [found[name]["level"] for name in ("store", "audit trail")] == ["ok", "ok"]
    assert "nothing is stored yet" in found["store"]["message"]
    assert not (tmp_path / "state").exists()


def test_unusable_store_is_reported_with_a_hint(hemostat, environ, kept, monkeypatch):
    monkeypatch.setattr(SqlStore, "find_write_obstacle", lambda _: "the store sqlite:///x: readonly")
    readonly = told(hemostat)["store"]
    with kept._engine.connect() as connection:
        connection.execute(sql.text("UPDATE hemostat_schema SET version = 99"))
        connection.commit()
    newer = told(hemostat)["store"]
    environ.setenv("HEMOSTAT_STORE_URL", "postgresql://me:geheim@127.0.0.1:1/db")
    away = told(hemostat)["store"]
    for found, words in ((readonly, "readonly"), (newer, "version 99"), (away, "127.0.0.1:1/db")):
        assert found["level"] == "failure"
        assert words in found["message"]
        assert found["hint"]
        assert "geheim" not in str(found)


def channels(**urls: str) -> Machine:
    return machine(alert=AlertSettings(channels={name: Channel(url=url) for name, url in urls.items()}))


def test_channels_are_listed_without_their_urls():
    level, told, _ = checks.check_notifications(channels(ops="https://hooks.example/hooks/geheim"))
    assert (level, told) == (Level.OK, "by ops; to test them: hemostat alert --test")
    assert checks.check_notifications(machine()).message == "none: no notifications are sent"


def test_workflow_webhook_url_is_a_warning():
    level, told, hint = checks.check_notifications(
        channels(ops="https://hooks.slack.com/workflows/T/1/geheim")
    )
    assert level is Level.WARNING
    assert "channel ops: its URL is a webhook of a Slack workflow" in told
    assert "geheim" not in told + hint


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_unusable_channel_is_a_failure_without_its_url():
    pytest.importorskip("apprise")
    found = checks.check_notifications(channels(ops="nosuch://geheim"))
    assert found.level is Level.FAILURE
    assert "channel ops" in found.message
    assert "geheim" not in found.message + found.hint


def test_error_of_a_dead_letter_is_masked_before_the_cut():
    token = "ghp_" + "Zq7Kp2Vx9L" * 4
    letter = DeadLetter(id="1-0", time=NOW, stream="health_alert", error=f"{'x' * 180} {token} {'y' * 5000}")
    text = letter.describe(NOW)
    assert "Zq7" not in text
    assert len(text) < 300


@pytest.mark.parametrize(("age", "level"), [(60.0, Level.FAILURE), (100_000.0, Level.OK)])
def test_recent_dead_letter_is_a_failure(age, level, monkeypatch):
    letter = DeadLetter(id="1-0", time=NOW - age, stream="health_alert", error="ValueError: token=hunter2")
    found = machine()
    found.bus = lambda: SimpleNamespace(read_last_dead_letter=lambda: letter, count_dead_letters=lambda: 3)
    monkeypatch.setattr(checks.time, "time", lambda: NOW)
    finding = checks.check_dead_letters(found)
    assert finding.level is level
    assert "3 events could not be handled" in finding.message
    assert "health_alert: ValueError" in finding.message
    assert "hunter2" not in finding.message
