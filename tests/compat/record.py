"""Record the state that HemoStat leaves behind, as fixtures for later versions.

Run `python -m tests.compat.record` by hand, at a commit whose state later commits must read, and commit the
files under `fixtures`. All of them are text. `fixtures/hemostat.toml` is written by hand: it sets every key.
"""

import json
import multiprocessing
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import redis

from hemostat.adapters.redis import EmbeddedRedis
from hemostat.adapters.sql_store import SqlStore
from hemostat.tui.saved_view import SavedView, save_view
from tests.compat import redis_text
from tests.compat.play import HOST, environment, play
from tests.support.lab.command import run

FIXTURES: Final = Path(__file__).parent / "fixtures"
STORE_URL: Final = "sqlite:////var/lib/hemostat/history.db"
"""The recorded database is said to be here: the audit trail's anchor is kept by place."""
STORE_KEY: Final = "hemostat:audit:store:"
TRUTH: Final = {"causes": ["runaway"], "actions": ["restart"], "roots": ["worker"]}
COMMANDS: Final = (
    ("events", "--json"),
    ("incident", "list", "--json"),
    ("audit", "head", "--json"),
)
"""What a user asks of the recorded state, where the answer does not depend on the time."""
SHOW_SETTINGS: Final = ("--config", str(FIXTURES / "hemostat.toml"), "config", "show", "--json")
VIEW: Final = SavedView(
    sort="cpu", reverse=True, grouped=True, log=False, columns=("state", "container", "cpu"), theme="nord"
)


def place(url: str) -> str:
    with closing(SqlStore(url, time.time, write=False, keys=tuple)) as store:
        return store.get_location(HOST)


def main() -> None:
    FIXTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hs-") as directory:
        state_dir = Path(directory)
        server = EmbeddedRedis(state_dir)
        url = server.ensure_running()
        roles = multiprocessing.get_context("spawn").Process(target=play, args=(state_dir,))
        roles.start()
        roles.join()
        assert roles.exitcode == -9, "the play did not come to its end; its output says why"
        try:
            record(state_dir, redis.Redis.from_url(url))
        finally:
            server.shut_down_if_unused()


def record(state_dir: Path, raw: Any) -> None:
    env = environment(state_dir, "http://127.0.0.1:9", "http://127.0.0.1:9")
    keys = redis_text.dump(raw)
    keys[STORE_KEY + place(STORE_URL)] = keys.pop(STORE_KEY + place(f"sqlite:///{state_dir}/history.db"))
    write("redis.json", {"recorded_at": time.time(), "keys": dict(sorted(keys.items()))})
    with closing(sqlite3.connect(state_dir / "history.db")) as history:
        (FIXTURES / "history.sql").write_text("\n".join(history.iterdump()) + "\n")
    command(env, "record", str(FIXTURES / "replay.jsonl"), "--since", "1h", "--force")
    incidents = FIXTURES / "incidents"
    incidents.mkdir(exist_ok=True)
    incident = incidents / "worker-cpu-high.json"
    incident.unlink(missing_ok=True)
    command(env, "explain", "worker", "--export", str(incident))
    incident.write_text(json.dumps({**json.loads(incident.read_text()), "truth": TRUTH}, indent=2) + "\n")
    assert save_view(FIXTURES / "dashboard.json", VIEW) == ""
    answers = {" ".join(asked): command(env, *asked).splitlines() for asked in COMMANDS}
    write("answers.json", answers)
    write("settings.json", json.loads(command(plain(env), *SHOW_SETTINGS)))


def plain(env: dict[str, str]) -> dict[str, str]:
    """Without settings, so that those of the file are all."""
    return {name: value for name, value in env.items() if not name.startswith("HEMOSTAT_")}


LATER_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "container_stats": {"ports": []},
    "heartbeat": {"modes": {}, "mode_since": 0.0, "windows": []},
}
"""Fields of events that the recorded version did not know, by event type."""


def without_note(recorded: Any) -> Any:
    """A recorded event without the field `told`, in which the former responder noted reported reasons."""
    data = recorded.get("data") if isinstance(recorded, dict) else None
    if not isinstance(data, dict):
        return recorded
    return {**recorded, "data": {name: value for name, value in data.items() if name != "told"}}


def as_read_now(recorded: dict[str, Any]) -> dict[str, Any]:
    """A recorded event as it is read now: with the later fields, which are empty."""
    event: dict[str, Any] = without_note(recorded)
    later_fields = LATER_FIELDS.get(event["type"], {})
    return {**event, "data": {**event["data"], **later_fields}}


def write(name: str, value: Any) -> None:
    (FIXTURES / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def command(env: dict[str, str], *arguments: str) -> str:
    done = run(*arguments, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
