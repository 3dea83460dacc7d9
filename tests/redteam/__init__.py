"""What a hostile tenant, a local user or the holder of one role's password can try, against real parts."""
