"""A model's service under faults, by the vendors' own SDKs: `python -m tests.e2e.advice`."""

from tests.e2e.advice.faults import FAULTS, VENDORS, Fault
from tests.e2e.advice.rows import Row, play

__all__ = ["FAULTS", "VENDORS", "Fault", "Row", "play"]
