"""The commands that show and evaluate diagnoses."""
