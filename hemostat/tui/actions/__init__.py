"""Actions that an operator starts from the dashboard, and the threads that run them."""
