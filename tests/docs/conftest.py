"""The command line, as tests/cli has it."""

from tests.support.cli_fixtures import environ, hemostat

__all__ = ["environ", "hemostat"]
