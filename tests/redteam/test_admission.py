"""Each container is watched separately: no property of one leaves another unwatched or late."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from docker.models.containers import Container

from hemostat.events import Event, HealthAlert, Phase
from tests.redteam.scene import DIGITS, Scene
from tests.support.engine_fixtures import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis]

HOSTILE = {
    "hemostat.disk": DIGITS,
    "hemostat.log": f"{DIGITS}GiB",
    "hemostat.loop_window": f"{DIGITS}d",
    "hemostat.scale.max": "9" * 5000,
    "hemostat.min_healthy": "²",
    "hemostat.depends_on": ",".join(f"n{number}" for number in range(2000)),
    "hemostat.probe": f"http://:{DIGITS}/",
    "hemostat.stop_timeout": "1e308",
}


def check(scene: Scene, name: str) -> str:
    """The line of doctor's check of this name."""
    lines = scene.run("doctor").stdout.splitlines()
    return next(line for line in lines if line[2:].startswith(f"{name} "))


@pytest.mark.parametrize("when", ["start", "event"])
def test_hostile_labels_leave_all_other_containers_watched(scene, when):
    scene.make_victim()
    if when == "event":
        scene.start()
    for number, (label, value) in enumerate(HOSTILE.items()):
        scene.make(f"evil-{number}", labels={label: value})
    if when == "start":
        scene.start()
    scene.crash()
    scene.await_healed()
    eventually(lambda: check(scene, "watched").startswith("✓"))


def delay(scene: Scene, name: str) -> float:
    """Crash the container; seconds from its end to its alert."""
    about = scene.about(name)
    before = len(scene.events)
    scene.crash(name)

    def is_alert(event: Event) -> bool:
        data = event.data
        return isinstance(data, HealthAlert) and data.phase is Phase.RAISED and about(event)

    eventually(lambda: any(is_alert(each) for each in scene.events[before:]))
    alert = next(each for each in scene.events[before:] if is_alert(each))
    return alert.time - alert.data.since


@contextmanager
def flood(boxes: list[Container], kind: str) -> Iterator[None]:
    """As many events as the engine makes, by one thread for each container."""
    stop = threading.Event()

    def run(box: Container) -> None:
        name, number = box.name, 0
        while not stop.is_set():
            number += 1
            if kind == "rename":
                box.rename(f"{name}-{number % 2}")
            elif kind == "update":
                box.update(cpu_shares=1024 + number % 2)
            else:
                box.kill("CONT")
        if kind == "rename":
            box.rename(name)

    threads = [threading.Thread(target=run, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    try:
        time.sleep(4.0)  # the flood is to have a backlog
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", ["rename", "update", "kill"])
def test_flood_of_events_does_not_delay_another_death(scene, kind):
    scene.make_victim("calm")
    scene.make_victim()
    boxes = [scene.make(f"evil-{number}", "trap : CONT; while :; do sleep 1; done") for number in range(4)]
    scene.start()
    usual = delay(scene, "calm")
    with flood(boxes, kind):
        flooded = delay(scene, "victim")
    assert flooded < 20 * max(usual, 0.05)
    scene.await_healed()


def test_invalid_entries_fail_doctor_and_delay_no_alert(scene):
    scene.make_victim()
    scene.start()
    assert check(scene, "dead letters").startswith("✓")
    for nonsense in (b"\xff", b"{}", b"x" * 300_000):
        scene.running._client.raw.xadd("hemostat:health_alert", {"event": nonsense})
    scene.crash()
    scene.await_healed()
    eventually(lambda: check(scene, "dead letters").startswith("✗"))
