"""The command line: it parses arguments, makes one call of the layers below, and prints text or JSON.

A command is a plain click command in its own module, imported when called; it returns the exit code. `root`
lists all commands. Imports that take time are inside the callbacks.
"""
