"""A tenant makes storms, failures of starts and waiting requests: others are still healed."""

import pytest

from hemostat.events import Event, HealthAlert, Kind, Phase, Reason, RemediationComplete

pytestmark = [pytest.mark.docker, pytest.mark.redis]

HIDDEN = {
    "hemostat.window": "0s",
    "hemostat.flap_changes": "1000000000",
    "hemostat.flap_window": "0s",
    "hemostat.protect": "true",
}
"""Labels that are meant to hide flapping."""
CHANGES = "test $(( $(date +%s) / 3 % 2 )) = 0"


def project(name: str) -> dict[str, str]:
    return {"com.docker.compose.project": name}


def raises(kind: Kind):
    def is_raised(event: Event) -> bool:
        return isinstance(event.data, HealthAlert) and event.data.kind is kind

    return is_raised


def clears(kind: Kind):
    def is_cleared(event: Event) -> bool:
        return raises(kind)(event) and event.data.phase is Phase.CLEARED

    return is_cleared


def test_storm_of_the_same_containers_ends(scene):
    """All of them without a project, as one project: the victim is held, and healed when it is over."""
    for number in range(5):
        scene.make(f"t{number}", labels=HIDDEN, health=CHANGES, every=1.0)
    scene.make_victim()
    scene.start(MONITOR_STORM_WINDOW="3s")
    scene.await_event(raises(Kind.STORM))
    scene.crash()
    scene.await_event(clears(Kind.STORM), seconds=30.0)
    scene.await_healed(seconds=30.0)


def test_storm_of_one_project_holds_no_other(scene):
    for number in range(5):
        scene.make_victim(f"t{number}", labels={**project("tenant"), "hemostat.protect": "true"})
    scene.make_victim(labels=project("shop"))
    scene.start(MONITOR_STORM_WINDOW="30s")
    for number in range(5):
        scene.crash(f"t{number}")
    scene.await_event(raises(Kind.STORM))
    scene.crash()
    scene.await_healed()
    assert not any(clears(Kind.STORM)(each) for each in scene.events)


@pytest.mark.timeout(240)
def test_failing_starts_of_one_image_delay_no_other(scene):
    """The engine says `failed to create shim task` of each of them. Three starts of each are more than
    `responder.rush`: where the containers end one after another, the last may wait a minute for its first."""
    broken = "while [ ! -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go; rm /bin/sh; exit 9"
    for number in range(5):
        scene.make(f"t{number}", broken, labels=project("tenant"))
    scene.make_victim(labels=project("shop"))
    scene.start(MONITOR_STORM_COUNT="1000")
    for number in range(5):
        scene.crash(f"t{number}")

    def failed(event: Event) -> bool:
        return isinstance(event.data, RemediationComplete) and event.data.reason is Reason.ENGINE_ERROR

    for number in range(5):
        about = scene.about(f"t{number}")
        scene.await_event(lambda event, about=about: failed(event) and about(event), seconds=120.0)
    scene.crash()
    scene.await_healed()


def test_deferred_request_under_a_pause_is_not_written_again(scene):
    for number in range(4):
        scene.make_victim(f"v{number}")
    scene.start()
    assert scene.run("pause", "--reason", "maintenance").returncode == 0
    for number in range(4):
        scene.crash(f"v{number}")

    def waits(event: Event) -> bool:
        return isinstance(event.data, RemediationComplete) and event.data.reason is Reason.PAUSED

    for number in range(4):
        about = scene.about(f"v{number}")
        scene.await_event(lambda event, about=about: waits(event) and about(event))
    raw = scene.running._client.raw
    before = raw.xlen("hemostat:remediation_needed")
    scene.running._stop.wait(8.0)
    assert raw.xlen("hemostat:remediation_needed") == before
    assert scene.run("resume").returncode == 0
    for number in range(4):
        scene.await_healed(f"v{number}")


def test_containers_that_never_start_take_no_slots(scene):
    for number in range(6):
        scene.make_victim(
            f"t{number}", labels=project(f"p{number}"), health="false", every=30.0, start_period=300.0
        )
    scene.make_victim(labels=project("shop"))
    scene.start(MONITOR_STORM_COUNT="1000", RESPONDER_VERIFY_TIMEOUT="2m")
    for number in range(6):
        scene.crash(f"t{number}")
    for number in range(6):
        scene.await_healed(f"t{number}")
    scene.crash()
    scene.await_healed(seconds=10.0)
