"""Speed and size, measured side by side in one run: `python -m tests.bench [--json] [name …]`.

Run by hand, as root on the engine's host. Nothing here passes or fails: it prints figures and their ratios.
"""
