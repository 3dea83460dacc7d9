"""Actions that a person starts from the dashboard, and the threads that run them."""
