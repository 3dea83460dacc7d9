"""What must and must not be acted on, played on Podman."""

import json
import os
import subprocess
import sys

import pytest

NAMES = ["docker-stop", "docker-restart", "exit-code", "crash-loop-always"]
SECONDS = 280

pytestmark = [
    pytest.mark.docker,
    pytest.mark.own_engine,
    pytest.mark.redis,
    pytest.mark.timeout(SECONDS + 20),
]


def test_scenarios_give_the_expected_actions_on_podman(podman_url):
    command = [sys.executable, "-m", "tests.e2e.scenarios", "--json", "--only", *NAMES]
    variables = {**os.environ, "DOCKER_HOST": podman_url}
    ended = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.stdout, ended.stderr
    results = [each["result"] for each in json.loads(ended.stdout)["played"]]
    assert {each["scenario"]: each["differences"] for each in results} == {name: [] for name in NAMES}
    assert [each["wrong_actions"] for each in results] == [[]] * len(NAMES)
