"""Faults, and what only looks like one, on the real engine: `python -m tests.e2e.scenarios`.

A scenario says what must be told, of which container, where it comes from and what is done first; the engine
has the last word on what was restarted. docs/SCENARIOS.md explains the table.
"""
