"""Whether roles with a setting monitor.only see a demo's container."""

import pytest

from hemostat.demo import SCENARIOS, is_selected, make_labels


@pytest.mark.parametrize(
    ("only", "seen"),
    [
        ("", True),
        ("shop=1", False),
        ("hemostat.demo", True),
        ("hemostat.demo=run1", True),
        ("hemostat.demo=other", False),
        ("hemostat.window=5s", True),
        ("hemostat.demo=", False),
    ],
)
def test_container_is_visible_when_its_labels_match(only, seen):
    assert is_selected(only, make_labels(SCENARIOS["cpu-spike"], "run1")) is seen
