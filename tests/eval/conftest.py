"""The command line, as its own tests run it."""

from tests.cli.conftest import environ, hemostat

__all__ = ["environ", "hemostat"]
