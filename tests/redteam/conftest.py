from collections.abc import Iterator

import pytest

from tests.redteam.scene import Scene


@pytest.fixture
def scene(docker_workshop: object) -> Iterator[Scene]:
    scene = Scene()
    try:
        yield scene
    finally:
        scene.close()
