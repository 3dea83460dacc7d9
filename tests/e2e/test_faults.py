"""No event is lost and no action is done twice under any fault: the short version of `tests.e2e.faults`."""

import os
import shutil

import pytest

from tests.e2e.faults import FAULTS, SHORT

pytestmark = [pytest.mark.docker, pytest.mark.redis]

GATE = (
    "roles",
    "redis-killed",
    "redis-frozen",
    "engine-cut",
    "network-cut",
    "budget",
    "paused",
    "hostile",
    "clock",
)


@pytest.mark.parametrize("name", GATE)
def test_every_incident_is_accounted_for_without_duplicates(name, docker_workshop):
    row = FAULTS[name](SHORT)
    assert row.clean, row


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs to mount a small disk")
def test_full_disk_loses_no_incident(docker_workshop):
    row = FAULTS["disk"](SHORT)
    assert row.clean, row
