"""Textual widgets that several screens share."""
