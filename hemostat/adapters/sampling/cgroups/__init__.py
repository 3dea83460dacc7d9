"""The Sampler port on cgroup files (v1 and v2) of the engine's own host. Files stay open between samples."""

from hemostat.adapters.sampling.cgroups.activity import is_activity_readable
from hemostat.adapters.sampling.cgroups.sampler import CgroupSampler

__all__ = ["CgroupSampler", "is_activity_readable"]
