"""The configuration tables, one module each, and the parsing of their values."""
