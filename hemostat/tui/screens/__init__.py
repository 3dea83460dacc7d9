"""The dashboard's screens: each draws what the model holds, by a module of pure text functions of its own."""
