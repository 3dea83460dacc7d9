"""Exit codes: each that README documents is that of a real command, and there are no others."""

import inspect
import json
import re
import signal

import pytest

from hemostat import errors
from hemostat.cli.main import PIPE_CLOSED_CODE
from tests.docs.made import ROOT
from tests.support.samples import alert, event, heartbeat, stats

UNREACHABLE = ("--set", "redis.url=unix:///nowhere/redis.sock")


def read_documented():
    """The codes of README, with what they mean."""
    text = re.search(r"Exit codes: (.*?)\.\n", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    return dict(each.split(" ", 1) for each in text.replace("\n", " ").split(", "))


def test_readme_documents_all_exit_codes():
    constants = [each for name, each in inspect.getmembers(errors) if name.isupper()]
    assert set(map(int, read_documented())) == {*constants, PIPE_CLOSED_CODE}


def test_success_is_0(hemostat):
    assert hemostat("config", "check").code == 0


@pytest.mark.redis
def test_failure_is_1(hemostat, bus):
    assert hemostat("resume", "--container", "web").code == 1


@pytest.mark.parametrize("arguments", [["nonsense"], ["history", "--type", "x"], ["status", "--set", "x=1"]])
def test_wrong_usage_and_configuration_are_2(hemostat, arguments):
    assert hemostat(*arguments).code == 2


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "waiting",
        "events",
        "approvals",
        "pause",
        "resume",
        "repair",
        "evidence",
        "explain",
        "close",
        "approve",
    ],
)
def test_redis_that_does_not_answer_is_3(hemostat, environ, tmp_path, command):
    environ.chdir(tmp_path)
    subject = ["x"] if command in {"evidence", "explain", "close", "approve"} else []
    result = hemostat(command, *subject, *UNREACHABLE, "--json")
    assert result.code == 3
    assert json.loads(result.err.splitlines()[-1])["exit_code"] == 3


def test_engine_that_does_not_answer_is_3(hemostat):
    assert hemostat("labels", "--set", "engine.url=unix:///nowhere/docker.sock").code == 3


@pytest.mark.redis
def test_order_without_an_answer_in_time_is_4(hemostat, bus):
    bus.publish_live([event(each) for each in (stats(), heartbeat("responder"))], ttl=60.0)
    assert hemostat("order", "restart", "web", "--yes", "--timeout", "0.1s", "--json").code == 4


def test_bug_is_70(hemostat, environ):
    environ.setattr("hemostat.cli.options.Globals.load", lambda _: 1 / 0)
    result = hemostat("config", "show", "--json")
    assert result.code == 70
    assert json.loads(result.err)["error"] == "bug: ZeroDivisionError: division by zero"


@pytest.mark.redis
def test_interrupt_is_130(spawn, bus):
    bus.publish([event(alert())])
    process = spawn("events", "-f", "--json")
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


def test_closed_pipe_is_141(spawn):
    process = spawn("schema", "--command", "events")
    process.stdout.close()
    assert process.wait(20) == 141
