"""A command line that does not see the machine's own configuration."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect
from hemostat.adapters.redis.embedded import find_binary
from hemostat.cli.main import run
from tests.support.engine_fixtures import eventually
from tests.support.required import missing

HEEDED = {"NO_COLOR", "FORCE_COLOR", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"}
"""What else of the environment changes what a command does."""


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """No configuration but the test's own, and a state directory that is empty."""
    for name in [*os.environ]:
        if name.startswith("HEMOSTAT_") or name in HEEDED:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HEMOSTAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return monkeypatch


@pytest.fixture
def hemostat(environ, capsys):
    """Run a command line in this process."""
    # A served dashboard bounds the memory of its process, for good.
    environ.setattr("hemostat.tui.served.limit_process", lambda: None)
    root, own = logging.getLogger(), logging.getLogger("hemostat")
    handlers, level, own_level = root.handlers[:], root.level, own.level

    def call(*arguments: str) -> Result:
        code = run(arguments)
        return Result(code, *capsys.readouterr())

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    own.setLevel(own_level)


@pytest.fixture
def spawn(environ):
    """Start a command line as a process, which is gone when the test is."""
    started = []

    def start(*arguments: str, **options) -> subprocess.Popen:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen([sys.executable, "-m", "hemostat", *arguments], **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def bus(environ):
    """A bus on a Redis of the test's own, where every command finds it by itself."""
    if find_binary() is None:
        missing("there is no redis-server: apt install redis-server")
    server = EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"]))
    bus = RedisBus(connect(server.ensure_running()))
    yield bus
    bus.close()
    eventually(server.shut_down_if_unused)
