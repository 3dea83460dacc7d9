"""The Records port on SQLite and PostgreSQL."""

from hemostat.adapters.sql_store.connection import masked
from hemostat.adapters.sql_store.store import SqlStore

__all__ = ["SqlStore", "masked"]
