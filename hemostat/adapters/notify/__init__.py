"""Ways to people, and what goes wrong on them."""
