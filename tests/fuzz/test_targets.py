"""Some hundred inputs for each target; `python -m tests.fuzz --minutes 60` tries more."""

import pytest

from tests.fuzz.play import play
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_gives_the_documented_outcome(name):
    play(TARGETS[name], examples=200, first=1)
