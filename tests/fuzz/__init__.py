"""Input from outside, mutated at random: it may cause only the documented error."""
