"""The policy for remediations: whether an action may run, on which containers, and whether it helped."""
