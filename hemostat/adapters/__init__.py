"""Adapters: one module or package for each vendor. They translate and make no decisions."""
