"""What an alert means and what is to be done about it, by rules."""
