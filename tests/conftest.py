"""Fixtures that every folder of tests may use."""

import signal

# A shell that runs the tests in the background has this ignored, and what they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.engine_fixtures",
    "tests.support.podman_fixtures",
    "tests.support.postgres_fixtures",
    "tests.support.redis_fixtures",
]
