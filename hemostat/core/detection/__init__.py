"""Turns engine events and samples of containers into alerts, and raises, clears or holds them back."""
