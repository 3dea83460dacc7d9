"""What a model may choose for an alert."""

import pytest

from hemostat.core.llm.validate import FALSE_ALARM, list_choices
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Kind
from tests.support.samples import alert


@pytest.mark.parametrize(
    ("kind", "root", "may_dismiss"),
    [(Kind.CPU_HIGH, "", True), (Kind.CPU_HIGH, "db", False), (Kind.EXITED, "", False)],
)
def test_alert_may_be_dismissed_by_kind_if_its_cause_is_not_elsewhere(kind, root, may_dismiss):
    choices = list_choices(alert(kind=kind, root=root), ResponderSettings())
    assert (FALSE_ALARM in choices, "none" in choices) == (may_dismiss, True)
