"""The recorded state, loaded where the present code finds it."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hemostat.adapters.redis import Client
from tests.compat import redis_text
from tests.compat.play import AUDIT_KEY, HOST
from tests.compat.record import FIXTURES, STORE_KEY, STORE_URL, place
from tests.support.lab.command import environ, run

Keys = dict[str, Any]


@pytest.fixture(scope="session")
def recorded() -> Keys:
    """The recorded keys of Redis by name."""
    return json.loads((FIXTURES / "redis.json").read_text())["keys"]


@pytest.fixture
def values(recorded: Keys) -> Callable[[str], Any]:
    """The recorded value of a key, its rows decoded."""

    def values(key: str) -> Any:
        return rows(recorded[f"hemostat:{key}"]["value"])

    return values


def rows(value: Any) -> Any:
    match value:
        case dict():
            return {name: rows(each) for name, each in value.items()}
        case list():
            return [rows(each) for each in value]
        case str() if value.startswith(("{", "[")):
            return json.loads(value)
    return value


@pytest.fixture
def loaded(redis_client: Client, recorded: Keys) -> Client:
    redis_text.load(redis_client.raw, recorded)
    return redis_client


@pytest.fixture
def env(loaded: Client, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of commands that read the recorded Redis and the recorded database."""
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as history:
        history.executescript((FIXTURES / "history.sql").read_text())
    path.chmod(0o600)
    url = f"sqlite:///{path}"
    loaded.raw.rename(STORE_KEY + place(STORE_URL), STORE_KEY + place(url))
    key = tmp_path / "audit.key"
    key.write_text(AUDIT_KEY)
    key.chmod(0o600)
    own = {"HOST": HOST, "REDIS_URL": redis_url, "STORE_URL": url, "STORE_AUDIT_KEY_FILE": str(key)}
    return environ(tmp_path, **own)


@pytest.fixture
def command(env: dict[str, str]) -> Callable[..., str]:
    def command(*arguments: str) -> str:
        done = run(*arguments, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return command
