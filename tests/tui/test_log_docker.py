"""Paging and following a real container's log."""

import pytest

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.tui.data.log_feed import LogBatch, LogFeed
from hemostat.tui.data.log_pages import LogAccess, read_after, read_before, read_start
from hemostat.tui.data.log_search import find_before
from tests.support.engine_fixtures import eventually, spec

pytestmark = pytest.mark.docker
PRINT = """i=0; while [ $i -lt 6000 ]; do i=$((i+1)); echo "line $i of the log"
[ $((i % 3)) != 0 ] || echo "err $i" >&2; done; trap 'exit 0' TERM
while sleep 0.2; do i=$((i+1)); echo "line $i of the log"; done"""


@pytest.fixture
def container(request: pytest.FixtureRequest):
    containers: DockerTestContainers = request.getfixturevalue("docker_workshop")
    container_spec = spec(command=("sh", "-c", PRINT))
    yield containers.run(container_spec)
    containers.remove(container_spec.name)


def test_real_log_is_paged_searched_and_followed(docker_engine: DockerEngine, container: str):
    eventually(lambda: "line 6003" in docker_engine.logs(container, 3))
    every_line = list(docker_engine.open_log(container))
    end = next(line for line in every_line if line.endswith(b"line 5990 of the log"))
    stamp, depth, pages = end[:30].decode(), 20, []
    while not (pages and pages[0].at_start):
        pages.insert(0, read_before(LogAccess(docker_engine, container), stamp, depth))
        stamp, depth = pages[0].lines[0][:30].decode(), pages[0].depth
    assert [line for page in pages for line in page.lines] == every_line[: every_line.index(end)]
    assert read_start(LogAccess(docker_engine, container)).lines == every_line[:1000]
    after = read_after(LogAccess(docker_engine, container), end[:30].decode(), 10)
    assert after.lines == every_line[every_line.index(end) + 1 :][:10]
    page = find_before(LogAccess(docker_engine, container), end[:30].decode(), 20, "ERR 42 ", lambda *_: None)
    assert page is None
    page = find_before(LogAccess(docker_engine, container), end[:30].decode(), 20, "ERR 42", lambda *_: None)
    assert [line[31:] for line in page.lines if b"err 42" in line][-1] == b"err 4299"

    batches: list[LogBatch] = []
    feed = LogFeed(lambda _: docker_engine, [container], batches.append, every=0.05)
    feed.start()
    count = lambda: sum(len(batch.lines) for batch in batches)  # noqa: E731
    eventually(lambda: count() > 303)
    feed.stop()
    assert [line.text for batch in batches for line in batch.lines][-1].startswith("line 60")
