"""Proposes a configuration for the containers of an engine, and for those who used another healer before."""
