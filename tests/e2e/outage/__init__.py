"""Kills of the alert role, its database and its webhook: `python -m tests.e2e.outage`."""

from tests.e2e.outage.account import Row
from tests.e2e.outage.databases import DATABASES
from tests.e2e.outage.play import FULL, SHORT, play

__all__ = ["DATABASES", "FULL", "SHORT", "Row", "play"]
