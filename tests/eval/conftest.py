"""The command line, as its own tests run it."""

from tests.support.cli_fixtures import environ, hemostat

__all__ = ["environ", "hemostat"]
