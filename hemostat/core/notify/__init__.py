"""Notifications: what is announced of an incident, to which channel, and in which words."""
