"""The Sampler port through the engine's stats API, for engines on other hosts: dearer, but always there."""

from hemostat.adapters.sampling.docker_stats.sampler import StatsSampler

__all__ = ["StatsSampler"]
