"""Terminal-first self-healing for Docker containers."""

__version__ = "0.1.0"
