"""Fixtures of the tests with an adversary."""

from collections.abc import Iterator

import pytest

from tests.redteam.scene import Scene
from tests.redteam.site import server, site

__all__ = ["scene", "server", "site"]


@pytest.fixture
def scene(docker_workshop: object) -> Iterator[Scene]:
    scene = Scene()
    try:
        yield scene
    finally:
        scene.close()
