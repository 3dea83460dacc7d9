"""Shell completion: the scripts of shells, and the names that are offered."""
