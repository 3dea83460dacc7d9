"""In-memory implementations of every port, for tests and for roles in one process.

The same contract tests run on these and on the real adapters.
"""
