"""Decisions, and nothing else: no clock, no chance, no I/O, no logging, no vendor."""
