"""Formats of the output: tables, times, log lines."""
