"""A pytest plugin that runs the listed tests only, in the order of the list.

HEMOSTAT_SELECTION=FILE python -m pytest -p tests.mutation.selection
"""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    names = Path(os.environ["HEMOSTAT_SELECTION"]).read_text("utf-8").splitlines()
    places = {name: place for place, name in enumerate(names)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in places])
    items[:] = sorted((item for item in items if item.nodeid in places), key=lambda item: places[item.nodeid])
