"""Measurements of containers and of the host: CPU, memory, network, connections, probes."""
