"""Labels of containers: their names, their values, and the owner and project that they name."""
