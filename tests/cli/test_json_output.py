"""What every command prints with --json: declared, as its schema says, with times as ISO 8601."""

import json
import os
import time
from datetime import datetime
from pathlib import Path

import click
import jsonschema
import msgspec
import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import EmbeddedRedis, RedisControls, RedisEvidence, RedisLedger, connect
from hemostat.adapters.sql_store import SqlStore
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import list_shapes, walk_commands
from hemostat.cli.root import hemostat as program
from hemostat.cli.setup.systemd import command, host
from hemostat.cli.setup.systemd.plan import Manifest
from hemostat.core.ledger.controls import Pause
from hemostat.core.ledger.rows import Attempt
from hemostat.events import Action, Outcome
from hemostat.ports import ContainerSpec
from tests.cli.test_evidence import KEPT
from tests.support.approvals import PENDING_APPROVAL
from tests.support.clock import FakeClock
from tests.support.hook import hooked
from tests.support.samples import ALL, NOW, alert, complete, event, heartbeat, stats

WITHOUT_RESULT = {"all", "monitor", "respond", "metrics", "tui", "schema"}
"""Commands that run until they are stopped or draw on a terminal. `schema` prints a schema itself."""
CALLS = {
    "status": [()],
    "waiting": [()],
    "labels": [(), ("--list",)],
    "watch": [("--demo",)],
    "events": [(), ("--type", "container_stats"), ("--type", "heartbeat")],
    "history": [()],
    "incident list": [()],
    "incident show": [("i1",)],
    "report": [("--since", "2026-11-20", "--until", "2026-12-20")],
    "evidence": [("i1",)],
    "explain": [("i1",), ("i1", "--advisor", "rules", "--show-prompt")],
    "analyze": [("--once", "i1")],
    "alert": [("--test",)],
    "audit head": [()],
    "audit verify": [()],
    "audit accept": [("--yes", "--reason", "test")],
    "eval": [()],
    "demo": [("list",), ("crash", "--simulate")],
    "approvals": [()],
    "approve": [("a1b2c3", "--by", "ann")],
    "reject": [("a1b2c3", "--by", "ann")],
    "pause": [("--for", "30m"), ("--container", "x", "--ahead")],
    "resume": [()],
    "reset": [()],
    "acknowledge": [("i9",)],
    "close": [("i9",)],
    "order": [("restart", "web", "--yes", "--timeout", "0.1s")],
    "repair": [()],
    "record": [("replay.jsonl", "--since", "1d")],
    "doctor": [()],
    "init": [("--yes", "--path", "new.toml")],
    "migrate autoheal": [("--container", "web", "--path", "new.toml")],
    "config init": [("--path", "new.toml")],
    "config show": [(), ("--origin",)],
    "config check": [(), ("--set", "responder.budget=-1")],
    "completion": [("bash",)],
    "redis-acl": [(), ("--compatible", "6")],
    "setup systemd": [("--undo", "--dry-run")],
}


@pytest.fixture
def filled(bus, environ, tmp_path):
    """A bus, a store and an engine with something for every command."""
    environ.chdir(tmp_path)
    redis = connect(EmbeddedRedis(Path(os.environ["HEMOSTAT_STATE_DIR"])).url)
    store = SqlStore(f"sqlite:///{tmp_path / 'state' / 'history.db'}", lambda: NOW)
    now = time.time()
    past = [event(each.data, each.time - NOW, incident=each.incident) for each in ALL[:6]]
    stored = [
        *past,
        event(alert(), 8, incident="i9"),
        event(complete(outcome=Outcome.ESCALATED), 9, incident="i9"),
    ]
    store.append(stored)
    bus.publish(stored)
    beats = [heartbeat("responder", mode="auto", started=now - 60), heartbeat("monitor", trouble="no engine")]
    bus.publish_live([event(each, now - NOW) for each in (stats(), *beats)], ttl=60.0)
    controls, ledger = RedisControls(redis), RedisLedger(redis)
    controls.request_approval(msgspec.structs.replace(PENDING_APPROVAL, asked=now, until=now + 900))
    controls.pause("web", Pause(by="ann", at=now, until=now + 600))
    attempt = Attempt(key="k", container="web", action=Action.RESTART, time=now - 5, by="r", lease=now + 60)
    ledger.reserve("h", attempt, ledger.read("h", "web").version)
    RedisEvidence(redis).put("i1", KEPT)
    redis.raw.hset("hemostat:ledger:h:running", "k1", '{"lease":null}')
    redis.raw.hset("hemostat:approvals", "hostile", b"\xff")
    ledger.read("h", "web")
    ledger.check("h")
    engine = InMemoryEngine(FakeClock())
    engine.run(
        ContainerSpec(
            name="web",
            image="busybox",
            command=("x",),
            labels={"hemostat.cpu": "lots"},
            environment={"AUTOHEAL_CONTAINER_LABEL": "all"},
        )
    )
    environ.setattr(app, "open_engine", lambda _, **__: engine)
    environ.setenv("HEMOSTAT_HOST", "h")
    (tmp_path / host.MANIFEST_NAME).write_bytes(msgspec.json.encode(Manifest(state=True)))
    environ.setattr(host, "require_systemd", lambda *_, **__: {})
    environ.setattr(command, "_find_config", lambda **_: tmp_path / "hemostat.toml")
    yield
    store.close()
    redis.close()


def walk(*, group=program):
    return dict(walk_commands(click.Context(group, info_name="hemostat", obj=Globals())))


def test_every_command_declares_its_output_and_is_run_here():
    commands = walk()
    declared = {name for name, command in commands.items() if list_shapes(command)}
    assert declared == commands.keys() - WITHOUT_RESULT, "add @prints_json to the command"
    assert CALLS.keys() == declared, "add the command to CALLS"


@pytest.mark.redis
@pytest.mark.parametrize(
    ("name", "arguments"), [(name, each) for name, calls in CALLS.items() for each in calls], ids=str
)
def test_output_is_as_its_schema_says(hemostat, filled, tmp_path, name, arguments):
    with hooked() as channel:
        if name == "alert":
            config = tmp_path / "hemostat.toml"
            config.write_text(f"[alert.channels.ops]\nurl = {channel.url!r}\n")
            arguments = (*arguments, "--config", str(config))
        out = hemostat(*name.split(), *arguments, "--json").out
    schema = hemostat("schema", "--command", name).json
    jsonschema.Draft202012Validator.check_schema(schema)
    is_lines = any(shape.form == "lines" for shape in list_shapes(walk()[name]))
    documents = [json.loads(each) for each in (out.splitlines() if is_lines else [out])]
    assert documents
    validator = jsonschema.Draft202012Validator(schema)
    for each in documents:
        validator.validate(each)
        assert list(find_mistakes(each)) == []


def find_mistakes(node, path=""):
    """Times without their ISO 8601, and ISO 8601 that is another time."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from find_mistakes(each, f"{path}[{number}]")
    elif isinstance(node, dict):
        for key, each in node.items():
            yield from find_mistakes(each, f"{path}.{key}")
            if isinstance(each, float) and abs(each - NOW) < 1e8 and not find_iso(node, each):
                yield f"{path}.{key} = {each}"


def find_iso(node, moment):
    return any(
        key.endswith("_iso") and abs(datetime.fromisoformat(each).timestamp() - moment) < 0.0011
        for key, each in node.items()
        if isinstance(each, str)
    )
