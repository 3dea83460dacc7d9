"""Measures a container's use of CPU, memory and network, and decides when it is too high."""
