"""Fixtures of the end-to-end tests."""

from tests.e2e.everything import everything
from tests.support.cli_fixtures import bus, environ

__all__ = ["bus", "environ", "everything"]
