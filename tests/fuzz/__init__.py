"""What enters from outside, mutated at random: nothing but the documented error may come of it."""
