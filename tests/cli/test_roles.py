"""The roles as processes: how they are started and stopped."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

import hemostat as package
from hemostat.cli.options import Globals
from hemostat.cli.root import hemostat as root
from hemostat.cli.run.all_roles import find_interpreter, list_children, make_child_arguments
from hemostat.cli.run.roles import Stop, make_ready_callback, stop_on_signals
from hemostat.config import Settings
from hemostat.core.settings.engines import EngineAddress
from hemostat.core.settings.metrics import MetricsSettings
from hemostat.streams import ROLES_BY_NAME
from tests.support.engine_fixtures import eventually


def test_first_signal_requests_a_stop():
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.event.wait(10)
        assert stop.exit_code == 0
        os.kill(os.getpid(), signal.SIGINT)
        eventually(lambda: stop.interrupted)
        assert stop.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_stop_does_not_need_the_lock_of_the_event():
    """The signal may come while the main thread, which runs the handler, holds it."""
    stop = Stop()
    with stop.event._cond:
        stop.handle_signal(signal.SIGTERM, None)
    assert stop.event.wait(10)


@pytest.mark.parametrize("name", ["respond", "all"])
def test_dry_run_option_sets_the_mode(name):
    given = Globals()
    with root.make_context("hemostat", [name, "--dry-run"], obj=given) as context:
        command = root.get_command(context, name)
        command.make_context(name, ["--dry-run"], parent=context)
    assert given.changes == {"responder.mode": "dry-run"}


def test_children_get_the_settings_of_the_parent():
    given = Globals()
    given.changes["responder.mode"] = "dry-run"
    arguments = make_child_arguments("respond", "h-1", 7, given)
    assert " ".join(arguments) == "respond --instance h-1 --parent 7 --set responder.mode=dry-run"


def test_each_engine_has_a_monitor_and_a_responder():
    engines = {name: EngineAddress(url=f"ssh://{name}") for name in ("web1", "web2")}
    assert list_children(Settings(engines=engines)) == [
        "monitor web1",
        "monitor web2",
        "analyzer",
        "responder web1",
        "responder web2",
        "alert",
    ]
    measured = Settings(metrics=MetricsSettings(address="127.0.0.1:9000"))
    assert list_children(measured) == ["monitor", "analyzer", "responder", "alert", "metrics"]


def test_child_of_an_engine_has_its_own_instance():
    arguments = make_child_arguments("respond", "h-1", 7, Globals(), "web1")
    assert " ".join(arguments) == "respond --instance h-1-web1 --parent 7 --engine web1"
    given = Globals()
    given.engine = "web2"
    assert make_child_arguments("analyze", "h-1", 7, given)[-2:] == ["--engine", "web2"]


def test_role_without_a_named_engine_lists_the_engines(hemostat, environ):
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1", "web2": "ssh://web2"}')
    for role in ("monitor", "respond"):
        code, out, err = hemostat(role)
        assert (code, out) == (2, "")
        assert "several engines are configured: web1, web2: name one with --engine NAME" in err


def test_demo_needs_one_engine_unless_it_is_simulated(hemostat, environ):
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": "ssh://web1", "web2": "ssh://web2"}')
    code, _, err = hemostat("demo", "crash")
    assert (code, "web1, web2" in err) == (2, True)
    assert hemostat("demo", "crash", "--simulate").code == 0


def test_unusable_engine_prevents_the_start_of_all(hemostat, environ):
    environ.setenv("HEMOSTAT_ENGINES", '{"web1": {"url": "tcp://web1:2376", "ca_file": "/missing.pem"}}')
    code, _, err = hemostat("all")
    assert code == 2
    assert "engine web1: " in err
    assert "ca_file" in err


def test_children_do_not_import_from_the_working_directory(tmp_path, monkeypatch):
    """A file named redis.py in the working directory must not become ours."""
    monkeypatch.chdir(tmp_path)
    assert find_interpreter() == [sys.executable, "-P"]
    monkeypatch.chdir(Path(package.__file__).parents[1])
    assert find_interpreter() == [sys.executable]


@pytest.mark.redis
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_role_ends_on_a_signal(spawn, bus, number, code):
    process = spawn("analyze", "--instance", "probe")
    eventually(lambda: bus.read_last_values("heartbeat"))
    assert [beat.data.instance for beat in bus.read_last_values("heartbeat")] == ["probe"]
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "")
    assert "role.stopped" in err


def test_role_without_its_supervisor_does_not_start(spawn):
    process = spawn("analyze", "--parent", "1")
    assert process.wait(20) == -signal.SIGTERM


@pytest.mark.redis
@pytest.mark.docker
def test_all_roles_run_under_one_command(spawn, bus):
    process = spawn("all", "--set", "monitor.only=hemostat.test=none", "-q")
    eventually(lambda: {beat.data.role for beat in bus.read_last_values("heartbeat")} == set(ROLES_BY_NAME))
    second = spawn("all")
    assert "already running" in second.communicate(timeout=20)[1]
    assert second.returncode == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


@pytest.mark.docker
@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"HEMOSTAT_ANALYZER_ADVISOR": "anthropic"}, "no key is set for analyzer.advisor = anthropic"),
        (
            {"HEMOSTAT_ALERT_CHANNELS": '{"ops": {"url": "nonsense"}}'},
            "channel ops: its URL does not start with https://",
        ),
        ({"HEMOSTAT_ALERT_CHANNELS": '{"ops": {"url_file": "/none"}}'}, "alert.channels.ops.url_file"),
    ],
)
def test_common_startup_error_is_reported_before_any_role(spawn, monkeypatch, setting, told):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    process = spawn("all")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("hemostat: ")
    assert told in err


def test_role_that_cannot_start_prints_one_line(hemostat, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[responder]\nbudget = 'many'\n")
    code, out, err = hemostat("respond", "--config", str(file))
    assert (code, out) == (2, "")
    assert err.startswith(f"hemostat: file {file}: responder.budget: ")
    assert err.count("\n") == 1


def test_ready_role_tells_its_supervisor():
    read_end, write_end = os.pipe()
    make_ready_callback(write_end)()
    with os.fdopen(read_end, "rb") as pipe:
        assert pipe.read() == b"1"


def test_ready_role_outlives_its_supervisor():
    read_end, write_end = os.pipe()
    os.close(read_end)
    make_ready_callback(write_end)()


def test_ready_role_without_a_supervisor_tells_the_service_manager(tmp_path, monkeypatch):
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        make_ready_callback(None)()
        assert manager.recv(100) == b"READY=1"
