"""Which containers a list tells something new of."""

import pytest

from hemostat.core.detection.container_list import has_changed, is_left_to_events, is_unseen_death
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo, HealthCheck, ListedContainer

NOW = 10_000.0
REF = build_reference("c1", "web", "nginx", {})


def known(**fields: object) -> ContainerInfo:
    fields = {"status": "running", "started_at": NOW - 600, "health": "healthy", **fields}
    return ContainerInfo(ref=REF, **fields)


def row(**fields: object) -> ListedContainer:
    fields = {"ref": REF, "status": "running", "health": "healthy", "age": 11 * 60.0, **fields}
    return ListedContainer(**fields)


DOWN = known(status="exited", exit_code=3, finished_at=NOW - 600, health="unhealthy")
DOWN_ROW = row(status="exited", exit_code=3, health=None)


@pytest.mark.parametrize(
    ("before", "listed"),
    [
        (known(), row()),
        (known(), row(health=None)),
        (known(), row(age=None)),
        (known(), row(ref=build_reference("c1", "web", "sha256:0123", {}))),
        (DOWN, DOWN_ROW),
        (known(status="paused"), row(status="paused", health=None)),
    ],
    ids=["same", "no-health-check", "no-age", "image-by-its-id", "down", "paused"],
)
def test_unchanged_container_is_not_inspected(before: ContainerInfo, listed: ListedContainer) -> None:
    assert not has_changed(before, listed, NOW)


@pytest.mark.parametrize(
    ("before", "listed"),
    [
        (None, row()),
        (known(), row(status="exited", exit_code=1)),
        (known(), row(health="unhealthy")),
        (known(), row(ref=build_reference("c1", "api", "nginx", {}))),
        (known(), row(age=6.0)),
        (known(), row(age=5 * 60.0)),
        (known(started_at=NOW - 10), row(age=11.0)),
        (DOWN, row(status="exited", exit_code=4, health=None)),
        (DOWN, row(status="exited", exit_code=3, health=None, age=6.0)),
        (DOWN, row()),
        (known(check=HealthCheck()), row(health=None)),
    ],
    ids=[
        *("new", "died", "sick", "renamed", "began-again", "earlier", "young", "code", "died-again", "up"),
        "health-not-in-list",
    ],
)
def test_possibly_changed_container_is_inspected(
    before: ContainerInfo | None, listed: ListedContainer
) -> None:
    assert has_changed(before, listed, NOW)


def test_death_of_a_process_known_as_running_is_unseen() -> None:
    assert is_unseen_death(known(), DOWN)
    assert is_unseen_death(None, DOWN)
    assert is_unseen_death(known(status="exited", started_at=NOW - 900), DOWN)
    assert not is_unseen_death(DOWN, DOWN)
    assert not is_unseen_death(known(), known())


def test_recent_death_waits_for_its_events() -> None:
    fresh = known(status="exited", finished_at=NOW - 5)
    assert is_left_to_events(fresh, NOW - 100, NOW)
    assert not is_left_to_events(fresh, NOW - 2, NOW)
    assert not is_left_to_events(DOWN, NOW - 900, NOW)
    assert not is_left_to_events(known(), NOW - 900, NOW)
