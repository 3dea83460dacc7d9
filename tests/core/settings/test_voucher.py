"""Which containers belong to the same project, and on which properties that depends."""

import msgspec
import pytest

from hemostat.core.settings.trust import has_same_origin, identify_voucher, is_same_project
from hemostat.events import Container
from tests.support.samples import composed

HASH = "com.docker.compose.config-hash"
ONE = Container(id="a", name="a", labels=composed("api"))


def without(container: Container, *names: str) -> Container:
    labels = {name: value for name, value in container.labels.items() if name not in names}
    return msgspec.structs.replace(container, labels=labels)


def test_container_of_compose_is_in_no_project_of_one_without_a_hash():
    bare = without(ONE, HASH)
    assert is_same_project(ONE, ONE)
    assert is_same_project(bare, ONE)
    assert is_same_project(bare, bare)
    assert not is_same_project(ONE, bare)
    assert not is_same_project(ONE, Container(id="b", name="b", labels=composed("api", "blog")))
    assert not is_same_project(Container(id="b", name="b"), Container(id="c", name="c"))


@pytest.mark.parametrize("name", ["project.working_dir", "project.config_files", "config-hash"])
def test_containers_without_an_equal_origin_are_strangers(name):
    label = f"com.docker.compose.{name}"
    assert has_same_origin(ONE, ONE)
    for one, other in ((ONE, without(ONE, label)), (without(ONE, label), ONE), (without(ONE, label),) * 2):
        assert not has_same_origin(one, other)
    moved = msgspec.structs.replace(ONE, labels={**ONE.labels, label: "other"})
    assert has_same_origin(ONE, moved) is (label == HASH)


def test_voucher_is_equal_only_for_equal_origins():
    assert identify_voucher(ONE) == identify_voucher(msgspec.structs.replace(ONE, id="b", name="b"))
    others = [
        without(ONE, HASH),
        without(ONE, "com.docker.compose.project.working_dir"),
        without(ONE, "com.docker.compose.project.config_files"),
        Container(id="b", name="b", labels=composed("api", "blog")),
    ]
    assert identify_voucher(ONE) not in map(identify_voucher, others)
