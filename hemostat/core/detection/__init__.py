"""Turns events and samples of containers into alerts: raised, cleared, held back."""
