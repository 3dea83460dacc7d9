"""The alert role's notifications: which events are announced, and by which channel."""
