"""Fixtures that every folder of tests may use."""

pytest_plugins = ["tests.engine_fixtures", "tests.redis_fixtures"]
