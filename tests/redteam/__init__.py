"""Attacks of a hostile tenant, a local user, or the holder of one role's password, against real parts."""
