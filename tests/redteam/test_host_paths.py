"""Bind mounts of a file system that does not answer any more, as one whose server is gone."""

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hemostat.events import HealthAlert

pytestmark = [pytest.mark.docker, pytest.mark.redis]

FUSE = Path("/dev/fuse")
MNT_DETACH = 2
COUNT = 10


@pytest.fixture
def hang() -> Iterator[Callable[[Path], None]]:
    """Mounts a file system on a directory that answers nothing until the end of the test."""
    if os.geteuid() or not FUSE.exists():
        pytest.skip("mounting by FUSE needs root and /dev/fuse")
    libc = ctypes.CDLL(None, use_errno=True)
    mounted: list[tuple[int, bytes]] = []

    def mount(directory: Path) -> None:
        device, path = os.open(FUSE, os.O_RDWR), str(directory).encode()
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
        if libc.mount(b"hanging", path, b"fuse", 0, options):
            os.close(device)
            pytest.skip(f"cannot mount: {os.strerror(ctypes.get_errno())}")
        mounted.append((device, path))

    yield mount
    for device, path in mounted:
        libc.umount2(path, MNT_DETACH)
        os.close(device)


def test_crash_is_healed_while_bind_mounts_hang(scene, hang, tmp_path):
    bind = {"volumes": {str(tmp_path): {"bind": "/data", "mode": "rw"}}}
    for number in range(COUNT):
        scene.make_victim(f"t{number}", options=bind)
    scene.make_victim(labels={"com.docker.compose.project": "shop"})
    scene.start(MONITOR_STORM_COUNT="1000", RESPONDER_RUSH="1000")
    hang(tmp_path)
    for number in range(COUNT):
        scene.crash(f"t{number}")
    for number in range(COUNT):
        about = scene.about(f"t{number}")
        scene.await_event(lambda event, about=about: isinstance(event.data, HealthAlert) and about(event))
    scene.crash()
    scene.await_healed()
