"""Every command that a document names is run. The few that do not end here are checked for existence."""

import re
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from hemostat.adapters.redis import RedisBus, RedisControls, RedisEvidence
from hemostat.adapters.sql_store import SqlStore
from hemostat.app.backends import HISTORY_FILE
from hemostat.core.evidence.build import build_snapshot
from hemostat.core.ledger.controls import Pause
from hemostat.events import Container, Outcome
from tests.docs.commands import DOCUMENTS, commands, words
from tests.docs.made import ROOT
from tests.support.approvals import PENDING_APPROVAL
from tests.support.hook import hooked
from tests.support.samples import NOW, alert, complete, event, heartbeat, needed, stats

FOUND = sorted({(path.name, command) for path in DOCUMENTS for command in commands(path)})
EVERY = sorted({" ".join(words(command)) for _, command in FOUND})

APART = {
    "all": "runs until it is stopped: tests/e2e/test_everything.py",
    "all --dry-run": "as above",
    "monitor": "runs until it is stopped: tests/cli/test_roles.py",
    "respond": "as above",
    "metrics": "runs until it is stopped: tests/cli/test_metrics.py",
    "init": "asks the engine and a person: tests/cli/test_init.py",
    "init --path /etc/hemostat/hemostat.toml": "as above",
    "migrate autoheal": "reads a container: tests/cli/test_init.py",
    "migrate autoheal --dry-run": "as above",
    "events -f --json": "follows until it is stopped: tests/cli/test_events.py",
    "events -f": "follows until it is stopped: tests/cli/test_events.py",
    "watch": "follows until it is stopped: tests/cli/test_watch.py",
    "tui": "is a screen: tests/cli/test_tui.py",
    "tui --demo": "as above",
    "tui --replay night.jsonl.gz": "as above",
    "tui --since 2h": "as above",
    "tui --slow": "as above",
    "tui --web": "serves until it is stopped: tests/cli/test_web.py",
    "tui --web --public-url https://ops.example/hemostat": "as above",
    "demo": "breaks a container: tests/e2e/test_demos.py",
    "demo NAME": "as above",
    "demo cpu-spike": "as above",
    "labels": "asks the engine: tests/cli/test_labels.py",
    "labels CONTAINER": "as above",
    "alert --test https://discord.com/api/webhooks/…": "sends to a service: tests/cli/test_channels.py",
    "setup systemd": "changes the host: tests/cli/test_setup_systemd.py",
    "setup systemd --undo": "as above",
    "setup systemd --user": "as above",
    "setup systemd --set engine.url=unix:///run/podman/podman.sock": "as above",
    "eval --advisor anthropic": "pays a vendor: tests/cli/test_analysis.py asks one of ours",
}
"""Commands that are not run here, with the reason and the place where they are tested."""
NAMED = {"analyze --show-prompt", "evidence", "explain", "order"}
"""Commands that documents name without their required arguments: their help is requested."""
ENDED = {"order": ("--yes", "--no-wait"), "record": ("--for", "200ms")}
"""Options with which a command ends that would wait for people or for others."""
CODES = {"doctor": (0, 1), "audit": (0, 3)}
"""Correct exit codes other than 0: 1 if this machine lacks something."""


def test_commands_are_found():
    assert ("README.md", "config init") in FOUND
    assert len(FOUND) > 60


def test_every_exception_is_used_by_a_document():
    assert {*APART, *NAMED} - {*EVERY} == set()


@pytest.mark.parametrize("command", sorted({*APART, *NAMED}))
def test_command_that_is_not_run_parses(hemostat, command):
    code, _, err = hemostat(*command.split(), "--help")
    assert (code, err) == (0, "")


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    """A state directory with a night's events: incident i3, which is healed, and i4, which is escalated."""
    path = tmp_path_factory.mktemp("state")
    store = SqlStore(f"sqlite:///{path / HISTORY_FILE}", time.time)
    store.append(night())
    store.close()
    return path


def night():
    ago = time.time() - NOW - 60
    said = ((alert(), 0.0), (needed(), 0.1), (complete(), 3.0))
    api = Container(id="c9", name="api")
    left = ((alert(container=api), 0.0), (complete(container=api, outcome=Outcome.ESCALATED), 3.0))
    return [
        *(event(data, ago + at, incident="i3") for data, at in said),
        *(event(data, ago + at, incident="i4") for data, at in left),
    ]


@pytest.fixture
def world(environ, redis_client, redis_url, state, tmp_path):
    """All that a command may ask for; it is new for every one, but for what is stored."""
    bus, desk, now = RedisBus(redis_client), RedisControls(redis_client), time.time()
    bus.publish(night())
    bus.publish_live([event(data, now - NOW) for data in (stats(), heartbeat("responder"))], ttl=60)
    RedisEvidence(redis_client).put("i3", build_snapshot(needed(), None, now=now, log="refused"))
    desk.request_approval(msgspec.structs.replace(PENDING_APPROVAL, id="i3", incident="i3"))
    for paused in ("*", "web"):
        desk.pause(paused, Pause(by="ann", at=now))
    environ.setenv("HEMOSTAT_REDIS_URL", redis_url)
    environ.setenv("HEMOSTAT_STATE_DIR", str(state))
    environ.chdir(tmp_path)
    with hooked() as hook:
        environ.setenv("HEMOSTAT_ALERT_SLACK_WEBHOOK", hook.url)
        yield


@pytest.fixture
def meant(state, tmp_path):
    """What stands for what in this command."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(ROOT / "tests/eval/incidents/panic-app-exited.json", recordings)
    store = SqlStore(f"sqlite:///{state / HISTORY_FILE}", time.time, write=False)
    head = str(store.read_ends().head)
    store.close()
    known = {
        **dict.fromkeys(("INCIDENT", "ID"), "i3"),
        **dict.fromkeys(("NAME", "CONTAINER…"), "web"),
        "ACTION": "restart",
        "DIR": str(recordings),
        "90:5540493c…": head,
        "6s": "200ms",
    }

    def mean(word: str, command: str) -> str:
        if word == "FILE":
            return str(ROOT / "hemostat.toml.example" if command == "config" else tmp_path / "file")
        if word == "INCIDENT" and command in {"acknowledge", "close"}:
            return "i4"
        return f"{tmp_path}{word}" if word.startswith("/") else known.get(word, word)

    return mean


@pytest.mark.redis
@pytest.mark.parametrize("command", sorted({*EVERY} - {*APART} - NAMED))
def test_documented_command_succeeds(hemostat, world, meant, command):
    name, *rest = next(words(each) for _, each in FOUND if " ".join(words(each)) == command)
    typed = [name, *(meant(word, name) for word in rest)]
    ended = () if set(ENDED.get(name, ())) & set(typed) else ENDED.get(name, ())
    code, _, err = hemostat(*typed, *ended)
    assert code in CODES.get(name, (0,)), err
    assert "Traceback" not in err


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_link_targets_exist(document):
    links = re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []
    assert document.is_relative_to(ROOT)


SCRIPT = re.compile(r"(?:python -m |python |bash )((?:tests|demos)[\w./]*\w)")
SCRIPTS = sorted(
    {(path.name, found) for path in DOCUMENTS for found in SCRIPT.findall(path.read_text("utf-8"))}
)


@pytest.mark.parametrize(("document", "script"), SCRIPTS)
def test_scripts_in_documents_exist(document, script):
    """The scripts take minutes and an engine. Each is run by hand for the figures in its document."""
    path = ROOT / (script if "/" in script else script.replace(".", "/"))
    found = (path, path.with_suffix(".py"), path / "__main__.py")
    assert any(each.is_file() for each in found), f"{document}: {script}"
