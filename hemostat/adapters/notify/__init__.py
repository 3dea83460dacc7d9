"""Channels that deliver notifications to people, and their errors."""
