"""The properties of the core are tried with the same examples every time, and as fast as they go."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile("steady")
