"""A dry run on the real engine: the report says what HemoStat would have done, and what happened instead."""

import json
import subprocess
import sys

import pytest

from hemostat.adapters.docker_engine import DockerTestContainers
from tests.e2e.everything import CRASHING, Everything
from tests.support.engine_fixtures import eventually

pytestmark = [pytest.mark.docker, pytest.mark.redis]

HEALTH = ("sh", "-c", "[ ! -e /tmp/bad ]")
CURABLE = ("sh", "-c", "rm -f /tmp/bad; trap 'exit 0' TERM; sleep 1000 & wait")
FEW = ("exit-code", "protected", "docker-restart")
"""Scenarios that have the same result on a busy host."""
SETTINGS = {"RESPONDER_MODE": "dry-run", "MONITOR_SETTLE": "2s", "MONITOR_STORM_COUNT": "1000"}


@pytest.fixture
def rehearsal(state_dir):
    running = Everything(state_dir, **SETTINGS)
    yield running
    running.stop()


@pytest.mark.timeout(300)
def test_report_says_how_each_failure_ended_without_an_action(rehearsal, make_container, docker_engine):
    def name(container):
        return docker_engine.inspect(container).ref.name

    crashing = name(make_container(CRASHING))
    guarded = name(make_container(CRASHING, restart_policy="always"))
    healing, replaced, restarted = (name(make_container(CURABLE, health=HEALTH)) for _ in range(3))
    ill = (healing, replaced, restarted)
    everybody = {crashing, guarded, *ill}
    eventually(lambda: {each["name"] for each in rehearsal.status()["containers"]} == everybody)

    for container in (crashing, guarded):
        docker_engine.exec(container, ["kill", "-USR1", "1"])
    for container in ill:
        docker_engine.exec(container, ["touch", "/tmp/bad"])
    # A failing health check waits for up to 2 min where other tests use up the host's CPU.
    for container in (crashing, *ill):
        eventually(lambda each=container: rehearsal.outcomes(each) == ["dry_run"], seconds=180)
    docker_engine.start(crashing)
    docker_engine.exec(healing, ["rm", "/tmp/bad"])
    docker_engine.restart(restarted, 5)
    DockerTestContainers(docker_engine).remove(replaced)
    make_container(CURABLE, health=HEALTH, name=replaced)

    def read_ends():
        report = json.loads(rehearsal.run("report", "--since", "1h", "--json").stdout)
        return {each["container"]: each["end"] for each in report["dry_run"]["cases"]}

    expected = {crashing: "start", healing: "itself", restarted: "start", replaced: "removed"}
    eventually(lambda: read_ends() == expected, seconds=60)
    text = rehearsal.run("report", "--since", "1h").stdout
    assert "HemoStat would have acted 4 times on 4 containers: restart 4." in text
    assert "1 would have been needless" in text


@pytest.mark.timeout(200)
def test_dry_run_decides_what_the_live_run_does():
    command = [sys.executable, "-m", "tests.e2e.scenarios", "--json", "--dry-run", "--only", *FEW]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ended.stdout, ended.stderr
    played = json.loads(ended.stdout)["played"]
    wrong = {each["result"]["scenario"]: each["result"]["differences"] for each in played}
    assert wrong == {name: [] for name in FEW}
