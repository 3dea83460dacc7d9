"""The Sampler port on the engine's stats API, for engines on other hosts: slower, but always available."""

from hemostat.adapters.sampling.docker_stats.sampler import StatsSampler

__all__ = ["StatsSampler"]
