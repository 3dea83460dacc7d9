"""A log of a hostile container, read as the log screen reads it, on the real engine."""

import time

import docker
import pytest

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.tui.data.log_feed import LogBatch, LogFeed
from hemostat.tui.data.log_pages import LogAccess, read_before
from hemostat.tui.data.log_search import find_before
from tests.redteam.scene import Scene
from tests.support.engine_fixtures import eventually, spec

pytestmark = pytest.mark.docker


@pytest.fixture
def run(scene: Scene):
    """Runs a container with options of the engine."""
    container_spec, made = spec(), []

    def run(script: str, **options) -> str:
        command, labels = ["sh", "-c", script], dict(container_spec.labels)
        container = scene.client.containers.run(
            container_spec.image, command, labels=labels, detach=True, **options
        )
        made.append(container)
        return container.id

    yield run
    for container in made:
        container.remove(force=True)


def test_long_lines_of_a_terminal_are_shown(docker_engine: DockerEngine, run):
    container = run("while :; do head -c 200000 /dev/zero | tr '\\0' x; echo; sleep 1; done", tty=True)
    batches: list[LogBatch] = []
    feed = LogFeed(lambda _: docker_engine, [container], batches.append, every=0.05)
    feed.start()
    try:
        eventually(lambda: any(batch.lines for batch in batches))
    finally:
        feed.stop()


def test_older_lines_of_a_log_that_is_rotated_all_the_time_have_an_end(docker_engine: DockerEngine, run):
    log_config = docker.types.LogConfig(type="json-file", config={"max-size": "1k", "max-file": "1"})
    container = run("while :; do echo $(date); done", log_config=log_config)
    eventually(lambda: list(docker_engine.open_log(container, tail=1)))
    stamp = next(iter(docker_engine.open_log(container, tail=1)))[:30].decode()
    time.sleep(1)
    assert read_before(LogAccess(docker_engine, container), stamp, 1).at_start


def test_search_does_not_guess_a_secret_of_another_container(docker_engine: DockerEngine, run):

    container = run("echo '- value: hunter2hunter2'; echo '  name: DB_PASSWORD'; sleep 1; echo end; sleep 60")
    eventually(lambda: "end" in docker_engine.logs(container, 5))
    end = list(docker_engine.open_log(container))[-1][:30].decode()

    def is_found(term: str) -> bool:
        return find_before(LogAccess(docker_engine, container), end, 1, term, lambda *_: None) is not None

    assert is_found("DB_PASSWORD")
    assert not is_found("hunter2")
