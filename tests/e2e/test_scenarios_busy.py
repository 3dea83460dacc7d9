"""Some of the suite on a host that is 90 % busy; `python -m tests.e2e.scenarios --busy` plays more."""

import json
import subprocess
import sys

import pytest

from tests.e2e.scenarios.busy import CHOSEN, TARGET, is_saturated, next_duty
from tests.e2e.scenarios.suite import SCENARIOS

FEW = ("exit-code", "oom", "unhealthy", "docker-kill", "docker-stop-timeout")


def test_busy_scenarios_exist():
    assert len(CHOSEN) == 16
    assert {*CHOSEN, *FEW} <= {*SCENARIOS}


def test_load_generator_adapts_to_other_load():
    assert next_duty(0.9, TARGET, busy=1.0) < 0.9
    assert next_duty(0.2, TARGET, busy=0.5) > 0.2
    assert next_duty(0.0, TARGET, busy=1.0) == 0.0
    assert next_duty(1.0, TARGET, busy=0.1) == 1.0


def test_one_second_without_idle_time_is_saturated():
    idle_later = [(0.0, (10, 100)), (0.5, (10, 200)), (1.0, (10, 300)), (1.5, (60, 400))]
    assert is_saturated(idle_later)
    assert not is_saturated([(0.0, (10, 100)), (0.5, (10, 200)), (1.0, (40, 300)), (1.5, (40, 400))])


@pytest.mark.docker
@pytest.mark.redis
@pytest.mark.timeout(200)
def test_busy_host_gives_the_expected_results():
    command = [sys.executable, "-m", "tests.e2e.scenarios", "--json", "--busy", "--only", *FEW]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ended.stdout, ended.stderr
    told = json.loads(ended.stdout)
    assert told["totals"]["busy"] > 0.8
    assert told["totals"]["wrong_actions"] == 0
    wrong = {each["result"]["scenario"]: each["result"]["differences"] for each in told["played"]}
    assert {name: lines for name, lines in wrong.items() if lines} == {}
