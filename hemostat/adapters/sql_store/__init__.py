"""The EventStore port on SQLite and PostgreSQL."""

from hemostat.adapters.sql_store.store import SqlStore

__all__ = ["SqlStore"]
