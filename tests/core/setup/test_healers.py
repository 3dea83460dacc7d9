"""Which images are other programs that act on containers, and which are databases."""

import pytest

from hemostat.core.model import ContainerInfo
from hemostat.core.setup.healers import Healer, find_healer, find_running_healers, is_database
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


def make_info(name: str, image: str, status: str = "running") -> ContainerInfo:
    return ContainerInfo(ref=Container(id=name, name=name, image=image), status=status)


def test_only_running_healers_are_reported_and_names_do_not_count():
    containers = [
        make_info("heal", "willfarrell/autoheal"),
        make_info("old", "qmcgaw/deunhealth", "exited"),
        make_info("autoheal", "nginx"),
    ]
    assert find_running_healers(containers) == (("heal", Healer.AUTOHEAL),)


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
