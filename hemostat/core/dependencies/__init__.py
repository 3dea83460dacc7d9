"""Which containers depend on which, in what condition they are, and which of them is the root cause of a
failure."""
