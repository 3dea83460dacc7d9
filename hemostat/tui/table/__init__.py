"""The table of containers: columns, rows, order."""
