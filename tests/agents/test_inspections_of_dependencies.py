"""Inspections of a container, and of what it depends on, one at a time."""

import pytest

from hemostat.agents.monitor.container_errors import ContainerErrors
from hemostat.agents.monitor.inspections import JUST_NOW_SECONDS, MAX_SEEN, Inspections
from hemostat.core.dependencies.root_cause import HostState
from hemostat.core.detection.registry import ContainerRegistry
from hemostat.core.model import ContainerInfo
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.errors import EngineError, EngineTimeoutError, EngineUnreachableError, NoSuchContainerError
from hemostat.events import Container

NOW = 10_000.0


class Engine:
    def __init__(self) -> None:
        self.answers: dict[str, ContainerInfo | EngineError] = {}
        self.requested: list[str] = []
        self.error: EngineError | None = None

    def inspect_all(self, ids, *, brief: bool = False):
        self.requested += ids
        if self.error is not None:
            raise self.error
        return {each: self.answers.get(each, NoSuchContainerError("removed")) for each in ids}

    def inspect_service(self, project: str, service: str, *, brief: bool):
        return []


def info(name: str, needs: str = "", **fields) -> ContainerInfo:
    labels = {"hemostat.depends_on": needs} if needs else {}
    ref = Container(id=f"{name}-id", name=name, labels=labels)
    return ContainerInfo(**{"ref": ref, "status": "running", "started_at": NOW - 100, **fields})


class Scene:
    """`web` depends on `db`."""

    def __init__(self, *, watched: bool = True) -> None:
        self.engine, self.seconds = Engine(), 100.0
        self.registry = ContainerRegistry(MonitorSettings(), HostState(name="h"))
        self.inspections = Inspections(self.engine, self.registry, ContainerErrors(), lambda: self.seconds)
        for each in (info("web", "db"), info("db")):
            self.engine.answers[each.ref.id] = each
            self.inspections.upsert(each, NOW, watched=watched or each.ref.name == "web")

    def look(self) -> list[str]:
        """The containers that are inspected when `web` fails."""
        self.engine.requested.clear()
        self.inspections.inspect_upstream("web-id", NOW)
        return self.engine.requested


def test_dependency_is_inspected_when_its_dependent_fails():
    scene = Scene()
    scene.engine.answers["db-id"] = info("db", status="exited")
    assert scene.look() == ["db-id"]
    assert scene.registry.get("db-id").info.status == "exited"


def test_unwatched_dependency_is_inspected_and_stays_unwatched():
    scene = Scene(watched=False)
    scene.engine.answers["db-id"] = info("db", status="exited")
    assert scene.look() == ["db-id"]
    assert scene.registry.get("db-id") is None
    assert scene.registry.relations.get("db-id").status == "exited"
    assert scene.registry.relations.is_unwatched("db-id")


def test_removed_unwatched_dependency_is_forgotten_and_asked_for_again():
    scene = Scene(watched=False)
    scene.engine.answers["db-id"] = NoSuchContainerError("removed")
    assert scene.look() == ["db-id", "db"]
    assert scene.registry.relations.get("db-id") is None


def test_unwatched_dependency_that_does_not_answer_keeps_its_state():
    scene = Scene(watched=False)
    scene.engine.answers["db-id"] = EngineTimeoutError("no answer")
    scene.look()
    assert scene.registry.relations.get("db-id").status == "running"


@pytest.mark.parametrize(
    ("later", "is_asked"),
    [(0.1, False), (JUST_NOW_SECONDS - 0.01, False), (JUST_NOW_SECONDS, True), (-1, True)],
)
def test_dependency_is_inspected_once_for_many_dependents(later, is_asked):
    scene = Scene()
    scene.look()
    scene.seconds += later
    assert (scene.look() == ["db-id"]) is is_asked


def test_number_of_remembered_inspections_is_bounded():
    scene = Scene()
    scene.look()
    for number in range(MAX_SEEN - 2):
        assert not scene.inspections._was_just_seen(f"c{number}")
    scene.seconds += 0.1
    assert scene.inspections._was_just_seen("db-id")
    assert not scene.inspections._was_just_seen("x")
    assert not scene.inspections._was_just_seen("y")
    assert not scene.inspections._was_just_seen("db-id"), "all were forgotten"


def test_engine_that_does_not_answer_ends_the_inspection_of_dependencies():
    scene = Scene()
    scene.engine.error = EngineUnreachableError("refused")
    with pytest.raises(EngineUnreachableError):
        scene.look()
    scene.seconds += 60
    scene.inspections.try_inspect_upstream("web-id", NOW)


def test_error_about_one_dependency_is_left_out():
    scene = Scene()
    scene.engine.error = EngineError("broken")
    assert scene.look() == ["db-id"]


def test_container_is_named_by_what_is_known():
    scene = Scene()
    scene.inspections.note_subject(Container(id="c" * 64, name="new"))
    assert scene.inspections.find_name("web-id") == "web"
    assert scene.inspections.find_name("c" * 64) == "new"
    assert scene.inspections.find_name("d" * 64) == "d" * 12


def test_removed_container_is_no_error():
    scene = Scene()
    assert scene.inspections.inspect("none", NOW) is None
    assert scene.inspections.inspect("db-id", NOW) is scene.registry.get("db-id")


# --- dependencies outside of the list ---------------------------------------------------------------


def miss(scene: Scene) -> None:
    """`web` depends on a container that is not listed."""
    scene.engine.answers["cache"] = info("cache")
    scene.inspections.upsert(info("web", "cache"), NOW)
    scene.engine.requested.clear()


def test_missing_dependency_is_asked_for_once_until_the_next_list():
    scene = Scene()
    miss(scene)
    del scene.engine.answers["cache"]
    scene.inspections.find_absent()
    scene.inspections.find_absent()
    assert scene.engine.requested == ["cache"]
    scene.inspections.forget_requested()
    scene.inspections.find_absent()
    assert scene.engine.requested == ["cache", "cache"]


def test_dependency_outside_of_the_list_is_not_watched():
    scene = Scene()
    miss(scene)
    scene.inspections.find_absent()
    assert scene.registry.get("cache-id") is None
    assert scene.registry.relations.is_unwatched("cache-id")


def test_watched_container_is_not_replaced_by_an_answer_about_a_name():
    scene = Scene()
    miss(scene)
    scene.engine.answers["cache"] = info("db", status="exited")
    scene.inspections.find_absent()
    assert scene.registry.get("db-id").info.status == "running"
    assert not scene.registry.relations.is_unwatched("db-id")
