"""Every port in memory: for tests, and for roles that run in one process. The same contract tests run on
these and on the real adapters."""
