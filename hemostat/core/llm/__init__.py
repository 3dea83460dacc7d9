"""Asks a language model: prompt, tools, budget, and the validation of its answer."""
