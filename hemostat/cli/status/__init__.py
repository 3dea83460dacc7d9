"""The commands that show the present state."""
