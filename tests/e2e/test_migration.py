"""`hemostat all` with the configuration that `hemostat migrate autoheal` has written, on the real engine."""

import pytest

from tests.e2e.everything import Everything
from tests.support.engine_fixtures import SESSION, eventually
from tests.support.lab.command import environ, run

pytestmark = [pytest.mark.docker, pytest.mark.redis]

HEALTH = ("sh", "-c", "[ ! -e /tmp/bad ]")
IDLE = ("sh", "-c", "rm -f /tmp/bad; trap 'exit 0' TERM; trap 'exit 7' USR1; sleep 1000 & wait")
"""Needs no CPU: HemoStat does not act on a failing health check while the host has no CPU left."""


class Migrated(Everything):
    """All settings but those of the state are the file's."""

    def __init__(self, state_dir):
        super(Everything, self).__init__(state_dir)
        self.await_roles()


@pytest.mark.timeout(300)
def test_migrated_configuration_heals_what_autoheal_did(state_dir, make_container, docker_engine):
    label = f"heal-{SESSION}"
    source = make_container(environment={"AUTOHEAL_CONTAINER_LABEL": label})
    labelled, other, crashing = (
        docker_engine.inspect(each).ref.name
        for each in (
            make_container(IDLE, labels={label: "true"}, health=HEALTH),
            make_container(IDLE, health=HEALTH),
            make_container(IDLE, labels={label: "true"}),
        )
    )
    result = run("migrate", "autoheal", "--container", source, "--force", env=environ(state_dir))
    assert result.returncode == 0, result.stderr
    running = Migrated(state_dir)
    try:
        names = {labelled, crashing}
        eventually(lambda: {each["name"] for each in running.status()["containers"]} == names)
        for name in (labelled, other):
            docker_engine.exec(name, ["touch", "/tmp/bad"])
        docker_engine.exec(crashing, ["kill", "-USR1", "1"])
        # A failing health check waits for up to 2 min where other tests use up the host's CPU.
        eventually(lambda: running.outcomes(labelled) == ["healed"], seconds=180)
        eventually(lambda: running.outcomes(crashing) == ["refused"], seconds=40)
    finally:
        running.stop()
    assert docker_engine.inspect(other).health == "unhealthy"
    assert not docker_engine.inspect(crashing).is_running
