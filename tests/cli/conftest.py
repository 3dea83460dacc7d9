"""Fixtures of the command line."""

from tests.support.cli_fixtures import bus, environ, hemostat, spawn

__all__ = ["bus", "environ", "hemostat", "spawn"]
