"""The command line, as tests/cli has it."""

from tests.cli.conftest import environ, hemostat

__all__ = ["environ", "hemostat"]
