"""Diagnosis by rules: the cause of an alert, and the action to take."""
