"""The configuration tables, one module each, and how their values are parsed."""
