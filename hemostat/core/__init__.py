"""Pure decisions, without clock, randomness, I/O, logging or vendor code."""
