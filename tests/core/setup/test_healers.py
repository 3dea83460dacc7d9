"""Which images are other programs that act on containers, and which are databases."""

import pytest

from hemostat.core.setup.healers import Healer, find_conflict, find_healer, find_running_healers, is_database
from hemostat.events import Container


@pytest.mark.parametrize(
    ("image", "healer"),
    [
        ("willfarrell/autoheal", Healer.AUTOHEAL),
        ("localhost:5000/team/docker-autoheal:1.2@sha256:00", Healer.AUTOHEAL),
        ("qmcgaw/deunhealth:v0.3.0", Healer.DEUNHEALTH),
        ("ghcr.io/getarcaneapp/arcane:latest", Healer.ARCANE),
        ("game/arcane", None),
        ("autoheal/web", None),
        ("sha256:0123", None),
        ("", None),
    ],
)
def test_healer_is_recognized_by_the_repository_of_its_image(image, healer):
    assert find_healer(image) is healer


def make(name: str, image: str = "nginx", label: str = "") -> Container:
    return Container(id=name, name=name, image=image, labels={"autoheal": label} if label else {})


def test_healers_are_known_by_images_and_not_by_names():
    containers = [make("heal", "willfarrell/autoheal"), make("autoheal")]
    assert find_running_healers(containers) == (("heal", Healer.AUTOHEAL),)


def test_other_healer_is_a_conflict():
    conflict = find_conflict([make("heal", "qmcgaw/deunhealth"), make("web")], "team=web")
    assert conflict.message == "other programs act on containers: heal (deunhealth)"
    assert "hemostat migrate autoheal" in conflict.hint


@pytest.mark.parametrize(
    ("labels", "only", "expected"),
    [
        (("true", ""), "", True),
        (("true", "false"), "", True),
        (("true", ""), "autoheal=true", False),
        (("true", "true"), "", False),
        (("false", ""), "", False),
        ((), "", False),
    ],
)
def test_autoheal_labels_that_select_nothing_are_a_conflict(labels, only, expected):
    conflict = find_conflict([make(f"c{number}", label=each) for number, each in enumerate(labels)], only)
    assert (conflict is not None) is expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("postgres:16", True),
        ("host:5000/bitnami/mariadb", True),
        ("postgres-exporter", False),
        ("nginx", False),
    ],
)
def test_database_is_recognized_by_its_image(image, expected):
    assert is_database(image) is expected
