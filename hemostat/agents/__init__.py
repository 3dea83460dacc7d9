"""The four roles.

Each role is `step(event, now)`. Roles exchange data over the bus only, and receive time and randomness as
arguments.
"""
