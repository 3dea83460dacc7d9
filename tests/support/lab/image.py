"""The image that the containers of tests run."""

import shutil

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from tests.support.engine_fixtures import IMAGE


def provide_image(url: str | None = None) -> None:
    """Builds the image on this engine, by default the machine's own."""
    engine = DockerEngine.connect(url)
    DockerTestContainers(engine).make_image(IMAGE, shutil.which("busybox") or "/bin/busybox")
    engine.close()
