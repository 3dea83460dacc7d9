"""The command line: arguments in, one call of the layers below, text or JSON out. Nothing is decided here.

A command is a plain click command in a module of its own, imported when it is asked for; what it returns is
the exit code. `root` names them all. Whatever costs time to import is imported inside the callbacks.
"""
