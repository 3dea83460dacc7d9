"""Labels of containers: their names, their values, and what they say of owner and project."""
