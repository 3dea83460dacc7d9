"""How many alerts of one container, and of many new ones, enter the bus."""

import msgspec
import pytest

from hemostat.core.detection.alert_rate import (
    CROWDED_CONTAINER_ALERTS,
    MAX_CONTAINER_ALERTS,
    MAX_HOST_ALERTS,
    MAX_NEW_CONTAINER_ALERTS,
    MAX_NEW_IMAGE_ALERTS,
    AlertRate,
)
from hemostat.core.detection.incidents import IncidentAlert, IncidentRegister
from hemostat.core.detection.monitor_state import MonitorState, decode_state, encode_state
from hemostat.events import Container, Kind, Phase

HOST = Container(id="", name="h")


def container(name: str, image: str = "busybox") -> Container:
    return Container(id=name, name=name, image=image)


class Scene:
    """Conditions that come and go, and what the bus hears of them."""

    def __init__(self, *, new: bool = False) -> None:
        self.register = IncidentRegister("h", relapse_window=1800.0)
        self.rate = AlertRate(lambda _: new)
        self.now = 1000.0
        self.heard: list[IncidentAlert] = []

    def open(self, ref: Container, kind: Kind = Kind.UNHEALTHY) -> None:
        self.hear([self.register.open_incident(ref, kind, since=self.now)])

    def close(self, ref: Container) -> None:
        self.hear(self.register.close_incidents(ref.id))

    def hear(self, told: list[IncidentAlert]) -> None:
        self.heard += [*self.rate.take_due(self.now), *self.rate.admit(told, self.now)]

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now += 1.0
            self.heard += self.rate.take_due(self.now)

    def toggle(self, ref: Container, times: int, every: float = 1.0) -> None:
        for _ in range(times):
            self.open(ref)
            self.wait(every)
            self.close(ref)
            self.wait(every)

    def of(self, ref: Container) -> list[Phase]:
        return [alert.phase for _, alert in self.heard if alert.container == ref]


@pytest.mark.parametrize("ends_open", [True, False])
def test_toggling_container_is_rate_limited_with_its_last_state(ends_open):
    scene, web = Scene(), container("web")
    for minute in range(1, 6):
        scene.toggle(web, 30)
        assert len(scene.of(web)) <= minute * MAX_CONTAINER_ALERTS
    if ends_open:
        scene.open(web)
    scene.wait(61)
    assert scene.of(web)[-1] is (Phase.RAISED if ends_open else Phase.CLEARED)
    assert scene.rate.waiting_alerts == ()
    assert scene.rate.warnings == ()


def test_number_of_dropped_alerts_is_reported():
    scene, web = Scene(), container("web")
    scene.toggle(web, 20)
    assert scene.rate.warnings == (
        "too many alerts of web: only the latest of each incident is sent, within about a minute",
    )
    scene.open(web)
    scene.wait(61)
    raised = [alert for _, alert in scene.heard if alert.phase is Phase.RAISED]
    assert any((alert.get_fact("alerts_left_out") or 0) > 5 for alert in raised)


def test_first_alerts_of_another_container_are_immediate():
    scene, evil, victim = Scene(new=False), container("evil"), container("victim")
    scene.toggle(evil, 30)
    scene.open(victim, Kind.EXITED)
    assert scene.of(victim) == [Phase.RAISED]


def test_alerts_of_many_old_containers_are_limited_without_delaying_others():
    scene, rounds = Scene(), 10
    for _ in range(rounds):
        for number in range(300):
            scene.open(container(f"evil{number}"), Kind.UNHEALTHY)
            scene.close(container(f"evil{number}"))
    assert len(scene.heard) <= MAX_HOST_ALERTS + 300 * CROWDED_CONTAINER_ALERTS
    victim = container("victim", "shop")
    for _ in range(CROWDED_CONTAINER_ALERTS // 2):
        scene.open(victim, Kind.EXITED)
        scene.close(victim)
    assert scene.of(victim).count(Phase.RAISED) == CROWDED_CONTAINER_ALERTS // 2
    scene.wait(61)
    assert scene.rate.waiting_alerts == ()


def test_host_alerts_are_not_limited():
    scene = Scene()
    for _ in range(100):
        scene.open(HOST, Kind.STORM)
    assert len(scene.of(HOST)) == 100


def test_incident_cleared_while_held_is_not_published():
    scene, web = Scene(), container("web")
    scene.toggle(web, MAX_CONTAINER_ALERTS // 2, every=0)
    scene.open(web, Kind.OOM)
    scene.close(web)
    scene.wait(61)
    assert Kind.OOM not in {alert.kind for _, alert in scene.heard}
    assert scene.of(web).count(Phase.RAISED) == scene.of(web).count(Phase.CLEARED)


@pytest.mark.parametrize("images", [1, 1000], ids=["one image", "many images"])
def test_alerts_of_ever_new_names_are_limited(images):
    scene = Scene(new=True)
    bound = MAX_NEW_IMAGE_ALERTS if images == 1 else MAX_NEW_CONTAINER_ALERTS
    count = 2 * bound
    for number in range(count):
        made = container(f"c{number}", f"i{number % images}")
        scene.open(made, Kind.EXITED)
        scene.close(made)
        if number % (count // 50) == 0:
            scene.wait(1)
    assert len(scene.heard) <= bound
    assert len(scene.rate.waiting_alerts) <= bound, "only ends of what was told wait"


def test_container_of_another_image_is_not_limited_by_them():
    scene = Scene(new=True)
    for number in range(MAX_NEW_IMAGE_ALERTS * 3):
        scene.open(container(f"c{number}"), Kind.EXITED)
    scene.open(container("victim", "shop"), Kind.EXITED)
    assert scene.of(container("victim", "shop")) == [Phase.RAISED]


def test_all_held_alerts_are_published_eventually():
    scene = Scene(new=True)
    count = 3 * MAX_NEW_IMAGE_ALERTS
    for number in range(count):
        scene.open(container(f"c{number}"), Kind.EXITED)
    scene.wait(600)
    assert {alert.container.name for _, alert in scene.heard} == {f"c{number}" for number in range(count)}


def test_short_lived_containers_of_one_image_are_immediate():
    """Two a second, as continuous integration makes them: a rate that delays them delays their healing."""
    scene = Scene(new=True)
    for number in range(120):
        scene.open(container(f"c{number}"), Kind.EXITED)
        scene.wait(number % 2)
    assert len(scene.heard) == 120
    assert scene.rate.waiting_alerts == ()


def test_held_alerts_survive_a_restart():
    scene, web = Scene(), container("web")
    for _ in range(MAX_CONTAINER_ALERTS + 1):
        scene.open(web)
    raw, _ = encode_state(MonitorState(waiting=scene.rate.waiting_alerts))
    scene.rate = AlertRate(lambda _: False)
    scene.rate.restore(decode_state(raw)[0].waiting)
    scene.heard.clear()
    scene.wait(1)
    assert [alert.occurrence for _, alert in scene.heard] == [MAX_CONTAINER_ALERTS + 1]


def test_clock_set_back_holds_no_alert():
    scene, web = Scene(), container("web")
    for _ in range(MAX_CONTAINER_ALERTS):
        scene.open(web)
    scene.now -= 500
    scene.open(web)
    assert len(scene.heard) == MAX_CONTAINER_ALERTS + 1


def test_state_of_an_older_version_has_no_held_alerts():
    assert msgspec.json.decode(b"{}", type=MonitorState).waiting == ()
