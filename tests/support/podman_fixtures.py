"""Fixtures for tests on Podman."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.engine_fixtures import engine_is_required
from tests.support.lab.image import provide_image
from tests.support.lab.private_podman import PrivatePodman


@pytest.fixture(scope="session")
def podman_url() -> Iterator[str]:
    """Yield the URL of a Podman with the test image. Without Podman, a laptop skips and CI fails."""
    require_podman()
    with closing(PrivatePodman()) as podman:
        provide_image(podman.url)
        yield podman.url


def require_podman() -> None:
    """Skip the test where no Podman can be started, or fail it in CI."""
    if os.geteuid() or not all(map(shutil.which, ("podman", "unshare", "ip"))):
        problem = "tests on Podman need root, podman, unshare and ip"
        if engine_is_required() and not os.geteuid():
            pytest.fail(problem)
        pytest.skip(problem)
