"""The Sampler port by reading cgroup files (v1 and v2) on the engine's own host, descriptors kept open."""

from hemostat.adapters.sampling.cgroups.sampler import CgroupSampler

__all__ = ["CgroupSampler"]
