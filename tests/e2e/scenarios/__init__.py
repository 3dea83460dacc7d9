"""Faults, and conditions that only look like faults, on the real engine: `python -m tests.e2e.scenarios`.

A scenario states the expected alerts, their containers, root causes and first actions. Restarts are taken
from the engine's own state. docs/SCENARIOS.md explains the table.
"""
