"""Whether an action may run now, on what it acts, and whether it helped."""
