"""`hemostat doctor`: checks of the requirements and the connections."""
