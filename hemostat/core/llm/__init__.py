"""Asking a language model: the prompt, the tools, the budget, and the validation of the answer."""
