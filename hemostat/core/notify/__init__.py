"""Notifications: which events cause one, on which channel, and with which text."""
