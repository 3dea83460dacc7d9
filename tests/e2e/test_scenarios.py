"""The scenario suite, played once; each scenario is a test of its own."""

import json
import subprocess
import sys

import pytest

from tests.e2e.scenarios.suite import SCENARIOS

LONGEST = 1500
"""Seconds for all scenarios."""

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(LONGEST + 20)]


@pytest.fixture(scope="module")
def played() -> dict[str, dict]:
    """Return the result of each scenario by name."""
    command = [sys.executable, "-m", "tests.e2e.scenarios", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert ended.stdout, ended.stderr
    return {each["result"]["scenario"]: each["result"] for each in json.loads(ended.stdout)["played"]}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_gives_the_expected_incidents_and_actions(name, played):
    result = played[name]
    assert result["differences"] == [], {key: result[key] for key in ("expected", "observed")}


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.trap])
def test_trap_causes_no_action_on_a_healthy_container(name, played):
    assert played[name]["wrong_actions"] == []


def test_suite_has_enough_scenarios():
    assert len(SCENARIOS) >= 36
    assert sum(scenario.trap for scenario in SCENARIOS.values()) >= 14
