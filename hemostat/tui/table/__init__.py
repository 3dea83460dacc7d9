"""The table of containers: its columns, rows and order."""
