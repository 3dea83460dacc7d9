"""The commands that query stored events."""
