"""Which project a container belongs to, and what counts against it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemostat.core.labels.project import (
    MAX_NAME_CHARACTERS,
    NO_PROJECT,
    get_project,
    limit_others,
    take_turns,
)
from hemostat.events import Container

PROJECTS = st.lists(st.sampled_from(["", "a", "b", "c"]))


@pytest.mark.parametrize(
    ("labels", "project"),
    [
        ({"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}, "shop"),
        ({"com.docker.stack.namespace": "shop", "com.docker.swarm.service.name": "shop_web"}, "shop"),
        ({"com.docker.swarm.service.name": "web", "com.docker.swarm.task.name": "web.1.x"}, "web"),
        ({"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.name": "web-0"}, "default"),
        ({"com.amazonaws.ecs.task-definition-family": "web"}, "web"),
        ({"com.docker.compose.project": "p" * 5000}, "p" * MAX_NAME_CHARACTERS),
        ({"com.docker.compose.project": "", "com.docker.stack.namespace": "shop"}, "shop"),
    ],
)
def test_project_is_read_from_labels(labels, project):
    assert get_project(Container(id="1", name="n", labels=labels)) == project


def test_containers_without_a_project_share_one():
    nameless = [Container(id=str(n), name=f"n{n}", labels={"hemostat.job": "true"}) for n in range(3)]
    assert {get_project(each) for each in nameless} == {NO_PROJECT}


def test_own_project_counts_fully_and_others_up_to_a_limit():
    assert limit_others("a", ["a1", "a2", "a3", "b1", "b2", "b3", "c1"], 2, lambda each: each[0]) == [
        *("a1", "a2", "a3"),
        *("b1", "b2", "c1"),
    ]
    assert len(limit_others("new", ["a"] * 100, 2, str)) == len(limit_others(None, ["", "", ""], 2, str)) == 2
    assert len(limit_others("a", ["a"] * 100, 2, str)) == 100


@given(PROJECTS, st.integers(0, 5))
def test_project_counts_at_most_its_share(projects, most):
    counted = Counter(limit_others("a", projects, most, str))
    assert counted["a"] == projects.count("a")
    assert all(counted[each] == min(most, projects.count(each)) for each in ("", "b", "c"))


def test_projects_alternate():
    assert take_turns(["a1", "a2", "a3", "b1", "c1", "b2"], key=lambda each: each[0]) == [
        *("a1", "b1", "c1"),
        *("a2", "b2", "a3"),
    ]


@given(PROJECTS)
def test_alternation_keeps_all_items(projects):
    assert Counter(take_turns(projects, key=str)) == Counter(projects)
