"""Every incident is decided, whatever a model's service does. `tests.advisor_faults` prints it as a table."""

import pytest

from tests.advisor_faults import FAULTS, MODELS, run


@pytest.mark.parametrize("vendor", MODELS)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_incident_is_decided_whatever_the_service_does(fault, vendor):
    row = run(fault, vendor)
    assert row.clean, row
    assert bool(row.why) is not FAULTS[fault].model
