"""A measured fact as people read it."""

import pytest

from hemostat.core.evidence.measurement import format_fact
from hemostat.events import Evidence


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (Evidence("exit_code", 7), "exit code 7"),
        (Evidence("memory", 64 << 20, "B"), "memory 64.0 MiB"),
        (Evidence("growth", 1 << 20, "B/s"), "growth 1.0 MiB/s"),
        (Evidence("ran", 90.0, "s"), "ran 1 min 30 s"),
        (Evidence("ran", 16.6, "s"), "ran 16.6 s"),
        (Evidence("cpu", 97.25, "%"), "cpu 97.25 %"),
        (Evidence("cpu", 97.0, "%"), "cpu 97 %"),
        (Evidence("dead_before", value=True), "dead before"),
        (Evidence("error", "refused"), "error refused"),
    ],
)
def test_fact_has_its_value_in_units_for_people(fact, text):
    assert format_fact(fact) == text
