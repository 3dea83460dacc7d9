"""Measured facts, and the snapshot of a container that is stored before an action."""
