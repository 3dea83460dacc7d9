"""Determines which containers depend on which, their state, and the root cause of a failure."""
