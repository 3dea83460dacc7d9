"""A tenant's downloads of files, which the engine waits for: until one is read, its container cannot be
inspected."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.redteam.scene import Scene

pytestmark = [pytest.mark.docker, pytest.mark.redis]

COUNT = 10
HELD_SECONDS, FREE_SECONDS = 2.0, 0.5
MAIN = "dd if=/dev/zero of=/tmp/big bs=1M count=8; while :; do sleep 1; done"
CHANGES = "test $(( $(date +%s) % 2 )) = 0"
HIDDEN = {"hemostat.flap_changes": "1000000000", "hemostat.protect": "true"}


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def hold_repeatedly(container: str, stop: threading.Event) -> None:
    """Begin to download a file, do not read it, and give up, repeatedly."""
    path = f"/v1.41/containers/{container}/archive?path=/tmp/big"
    while not stop.is_set():
        with suppress(OSError), socket.socket(socket.AF_UNIX) as wire:
            wire.connect("/var/run/docker.sock")
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            stop.wait(HELD_SECONDS)
        stop.wait(FREE_SECONDS)


def test_unhealthy_container_is_healed_beside_hanging_inspections(
    scene: Scene, stop: threading.Event
) -> None:
    containers = [
        scene.make(f"t{number}", MAIN, labels=HIDDEN, health=CHANGES, every=1.0, healthy=False)
        for number in range(COUNT)
    ]
    scene.make(
        "victim",
        "rm -f /tmp/ill; trap 'exit 0' TERM; while :; do sleep 0.1; done",
        labels={"com.docker.compose.project": "shop"},
        health="test ! -e /tmp/ill",
    )
    scene.start(MONITOR_STORM_COUNT="1000")
    for name in ("victim", f"t{COUNT - 1}"):
        scene.await_watched(scene.lab[name])
    scene.lab.state("victim")
    threads = [threading.Thread(target=hold_repeatedly, args=(each.id, stop)) for each in containers]
    for each in threads:
        each.start()
    try:
        time.sleep(15.0)
        scene.lab.sh("victim", "touch /tmp/ill")
        scene.await_healed(seconds=15.0)
    finally:
        stop.set()
        for each in threads:
            each.join()
