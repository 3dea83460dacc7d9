"""The commands that prepare an installation."""
